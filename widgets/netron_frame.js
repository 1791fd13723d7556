// What runs inside the frame of a `NetronView`: Netron's own viewer, with a host that asks nothing of anybody.
//
// The page sends {show: bytes}, {select: layer}, {dark}; it is told {ready}, {shown: nodes}, {picked: layer} and
// {failed: reason}. A node belongs to a layer if it is called `layer` or `layer/...`.

import * as base from "netron/base.js";
import * as browser from "netron/browser.js";
import * as viewer from "netron/view.js";

const tell = (message) => window.parent.postMessage(message, "*"); // the parent made this very page
const fail = (error) => tell({ failed: String(error?.message ?? error).replace(/\.$/, "") });
const part = (name) => import.meta.resolve(`netron/${name}`);

// Netron's host of a web page asks for consent, counts visits, calls home, and refuses to work when it is half a year
// old; each of these is in a method that is replaced here.
class QuietHost extends browser.Host {
  environment(name) {
    return name === "menu" ? false : super.environment(name);
  }
  async view() {}
  async start() {}
  async require(id) {
    return import(part(`${id.replace("./", "")}.js`));
  }
  worker() {
    return new Worker(part("worker.js"), { type: "module" });
  }
  async asset(name) {
    return (await fetch(part(name))).text(); // the address of a blob: nothing is asked from the network
  }
  async fetch(name) {
    throw new Error(`${name} is not in this graph`);
  }
  openURL(url) {
    if (/^https:/.test(url)) window.open(url, "_blank", "noopener");
  }
  event() {}
  message() {
    return new Promise(() => {}); // nobody answers: a long layout goes on, and errors are told to the page
  }
  exception(error) {
    fail(error);
  }
  get() {} // settings stay in this frame: the storage is that of the whole server
  set() {}
  delete() {}
}

// A file that is in memory, as Netron wants to read it.
class Memory {
  constructor(host, bytes) {
    this.host = host;
    this.identifier = "graph.onnx";
    this.stream = new base.BinaryStream(bytes);
  }
  async asset(name) {
    return this.host.asset(name);
  }
  async fetch(name) {
    return this.host.fetch(name);
  }
  async require(id) {
    return this.host.require(id);
  }
  error(error) {
    this.host.exception(error);
  }
}

const MARGIN = 100; // around a graph, in its own pixels

const host = new QuietHost();
const view = new viewer.View(host);
const box = document.getElementById("target");
let waiting = null; // the newest graph that is not drawn yet
let drawing = false;
let selected = "";

async function draw() {
  if (drawing) return;
  drawing = true;
  try {
    while (waiting) {
      const bytes = waiting;
      waiting = null;
      const place = view.target && { zoom: view.target.zoom, left: box.scrollLeft, top: box.scrollTop };
      await view.open(new Memory(host, bytes));
      view.show(null);
      place ? stay(place) : fit();
      select("instant");
      tell({ shown: view.activeTarget.nodes.length });
    }
  } catch (error) {
    fail(error);
  } finally {
    drawing = false;
  }
}

function fit() {
  const { width } = document.getElementById("canvas").viewBox.baseVal;
  view.target.restore({ zoom: Math.min(1, box.clientWidth / width) });
  box.scrollTop = 0.75 * MARGIN * view.target.zoom;
}

function stay({ zoom, left, top }) {
  view.target.restore({ zoom });
  box.scrollTo({ left, top });
}

const layerOf = (name) => name.split("/")[0];

function select(behavior) {
  if (!view.target) return;
  const nodes = selected ? view.activeTarget.nodes.filter(({ name }) => layerOf(name ?? "") === selected) : [];
  view.target.scrollTo(view.target.select(nodes), behavior);
}

// Netron stops the clicks that it handles, so this listens before it does and looks afterwards.
function picked() {
  const [first] = view.target?.selection ?? [];
  const name = first?.value?.name;
  if (!name || layerOf(name) === selected) return;
  selected = layerOf(name);
  tell({ picked: selected });
}

const darkRules = () =>
  [...document.styleSheets]
    .flatMap((sheet) => [...sheet.cssRules])
    .filter((rule) => rule instanceof CSSMediaRule && rule.conditionText.includes("prefers-color-scheme"));

const dark = darkRules(); // Netron follows the system; here it follows the page

window.addEventListener("message", ({ source, data }) => {
  if (source !== window.parent) return;
  if (data.show) {
    waiting = data.show;
    draw();
  }
  if (data.select !== undefined && data.select !== selected) {
    selected = data.select;
    select();
  }
  if (data.dark !== undefined) dark.forEach((rule) => (rule.media.mediaText = data.dark ? "all" : "not all"));
});
document.addEventListener("click", () => setTimeout(picked), true);

view.start().then(() => tell({ ready: true }), fail);
