// A button that copies the address of this page with a fragment that the kernel makes. Where the browser has no clipboard
// for us (a page without TLS, a person who said no), the link stands in a field instead, ready to be copied by hand.

const SECRETS = ["token", "password"];
const HINT = "Model, data, recipe and seed as a link; passwords in this page's address are left out";

const element = (tag, className, text) => {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.textContent = text ?? "";
  return made;
};

// the address of this page with another end, and whether a password was taken out of it
function address(fragment) {
  const url = new URL(location.href);
  const secret = SECRETS.filter((name) => url.searchParams.has(name));
  secret.forEach((name) => url.searchParams.delete(name));
  return [url.origin + url.pathname + url.search + fragment, secret.length > 0];
}

function render({ model, el }) {
  el.classList.add("dsw-copy");
  const button = element("button", "jupyter-button widget-button");
  const told = element("span", "dsw-quiet");
  const field = element("input");
  button.title = HINT;
  told.setAttribute("role", "status");
  Object.assign(field, { type: "text", readOnly: true, hidden: true });
  field.setAttribute("aria-label", "Link");
  field.addEventListener("focus", () => field.select());

  const show = () => {
    button.textContent = model.get("label");
    button.disabled = model.get("disabled");
  };
  const tell = (words, refused) => {
    told.className = refused ? "dsw-error" : "dsw-quiet";
    told.setAttribute("role", refused ? "alert" : "status");
    told.textContent = words;
  };
  const hear = async (message) => {
    field.hidden = true;
    if (message.refused) tell(message.refused, true);
    if (!message.link) return;
    const [link, secret] = address(message.link);
    const left = secret ? " The password in this page's address is left out: whoever opens the link needs one." : "";
    try {
      await navigator.clipboard.writeText(link);
      tell(`Link copied.${left}`, false);
    } catch {
      field.value = link;
      field.hidden = false;
      field.focus();
      tell(`Copy the link from this field.${left}`, false);
    }
  };

  button.addEventListener("click", () => model.send({ wanted: true }));
  model.on("msg:custom", hear);
  model.on("change:label change:disabled", show);
  show();
  el.append(button, field, told);
  return () => {
    model.off("msg:custom", hear);
    model.off("change:label change:disabled", show);
  };
}

export default { render };
