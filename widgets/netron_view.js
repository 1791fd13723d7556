// The page's side of `NetronView`: one frame with Netron in it. The frame is written here and reads only what is handed
// to it, so it needs no server, no port and no network; what runs inside is `netron_frame.js`.

const PARTS = Symbol.for("downsizing-workbench.netron"); // shared by all views of a page
const PATIENCE = 60_000;
const START = 'import("netron/frame.js").catch(({ message }) => parent.postMessage({ failed: message }, "*"))';

// Netron itself, asked from the kernel once for each page: a promise of its page, and of the address of each file.
function parts(model) {
  globalThis[PARTS] ??= ask(model).then(unpack).catch((error) => {
    delete globalThis[PARTS]; // the next view asks again
    throw error;
  });
  return globalThis[PARTS];
}

function ask(model) {
  return new Promise((resolve, reject) => {
    const tooLate = setTimeout(() => done(reject, new Error("the kernel did not send Netron")), PATIENCE);
    const done = (settle, value) => {
      clearTimeout(tooLate);
      model.off("msg:custom", hear);
      settle(value);
    };
    const hear = (message, buffers) => {
      if (message.refused) done(reject, Object.assign(new Error(message.refused), { name: "Refused" }));
      if (message.parts) done(resolve, buffers[0]);
    };
    model.on("msg:custom", hear);
    model.send({ wanted: "parts" });
  });
}

async function unpack(packed) {
  const plain = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const { page, files } = await new Response(plain).json();
  const imports = {};
  const publish = (name, content) => {
    const type = name.endsWith(".js") ? "text/javascript" : "application/json";
    imports[`netron/${name}`] = URL.createObjectURL(new Blob([content], { type }));
  };
  const { "worker.js": worker, ...others } = files;
  Object.entries(others).forEach(([name, content]) => publish(name, content));
  // workers do not read the import map of their page
  publish("worker.js", worker.replaceAll("netron/dagre.js", imports["netron/dagre.js"]));
  const map = JSON.stringify({ imports });
  return page
    .replace("</head>", () => `<script type="importmap">${map}</script></head>`)
    .replace("</body>", () => `<script type="module">${START}</script></body>`);
}

const isDark = () => document.body.dataset.jpThemeLight === "false";

function render({ model, el }) {
  const frame = document.createElement("iframe");
  const words = document.createElement("p");
  frame.className = "dsw-netron";
  words.className = "dsw-quiet";
  words.setAttribute("role", "status");
  el.append(frame, words);
  let ready = false;

  const say = (sentence) => {
    words.textContent = sentence;
    words.hidden = !sentence;
    frame.hidden = Boolean(sentence);
  };
  const tell = (message) => ready && frame.contentWindow?.postMessage(message, location.origin);
  const select = () => tell({ select: model.get("selected") });
  const dress = () => tell({ dark: isDark() });
  const show = () => {
    const data = model.get("data");
    if (!data?.byteLength) return;
    say(""); // a frame that is hidden draws nothing
    tell({ show: new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice() });
  };
  const name = () => {
    frame.title = `Graph: ${model.get("title")}`;
  };

  const hear = ({ source, data }) => {
    if (source !== frame.contentWindow) return;
    if (data.ready) {
      ready = true;
      dress();
      select();
      show();
    }
    if (data.shown !== undefined) model.send({ shown: data.shown });
    if (data.picked !== undefined) model.send({ picked: data.picked });
    if (data.failed) fail({ message: data.failed });
  };
  const fail = ({ name, message }) =>
    say(name === "Refused" ? message : `Netron ${model.get("version")} cannot show this graph: ${message}.`);

  // A frame that the page hides or moves starts anew: it says that it is ready again, and is told everything again.
  const start = async () => {
    if (frame.srcdoc || !model.get("data")?.byteLength) return;
    try {
      frame.srcdoc = await parts(model);
    } catch (error) {
      fail(error);
    }
  };

  const themes = new MutationObserver(dress);
  themes.observe(document.body, { attributeFilter: ["data-jp-theme-light"] });
  window.addEventListener("message", hear);
  const changed = () => {
    start();
    show();
  };
  model.on("change:data", changed);
  model.on("change:selected", select);
  model.on("change:title", name);
  name();
  start();
  return () => {
    themes.disconnect();
    window.removeEventListener("message", hear);
    model.off("change:data", changed);
    model.off("change:selected", select);
    model.off("change:title", name);
  };
}

export default { render };
