// Finds a recording: folders and the recordings in them as they are now, and a search over all of them.

import {ApiError, get, preview} from "./api.js";
import {badge, empty, segments, tryAgain} from "./controls.js";
import {codecName} from "./editor-view.js";
import {h} from "./h.js";
import {icon} from "./icons.js";
import {date, t} from "./i18n.js";
import {remembered, remember, update} from "./state.js";
import {bytes, clock} from "./time.js";
import {Tree, WIDE} from "./tree.js";

const SEARCH_MS = 150, REFRESH_MS = 15_000, STRIP_RETRY_MS = 5000, ROOTS = "clipping.roots";

export class Recordings {
  constructor() {
    this.place = {root: "", prefix: ""};
    this.query = "";
    this.roots = JSON.parse(sessionStorage.getItem(ROOTS)) || [];
    this.view = remembered("recordings", "grid");
    this.tree = new Tree((place) => this.show(place));
    WIDE.addEventListener("change", () => this.loaded && this.tree.reveal(this.place));
    this.clear();
  }

  clear() {
    Object.assign(this, {folders: [], recordings: [], cursor: null, loaded: false, problem: "", truncated: false});
  }

  // A screen that is only shown again stays where it was.
  open(rest, query, again) {
    if (query.get("in")) this.openPath(query.get("in"));
    else if (!again || !this.loaded) this.show(this.place);
  }

  // Another key may see other folders.
  restart() {
    clearTimeout(this.timer);
    this.controller?.abort();
    this.clear();
    this.tree = new Tree((place) => this.show(place));
    Object.assign(this, {place: {root: "", prefix: ""}, query: ""});
  }

  show({root = "", prefix = ""} = {}) {
    this.place = {root, prefix};
    this.query = "";
    this.clear();
    this.load();
  }

  // An absolute path of a folder, as it is in the path of a recording.
  openPath(path) {
    const root = this.roots.filter((each) => path === each || path.startsWith(`${each.replace(/\/$/, "")}/`)).sort((a, b) => b.length - a.length)[0];
    this.show(root ? {root, prefix: path.slice(root.length).replace(/^\//, "")} : {});
  }

  close() {
    clearTimeout(this.timer);
    this.controller?.abort();
    dropStrips();
  }

  search(text) {
    this.query = text;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.load(), SEARCH_MS);
    update();
  }

  async load(more = false) {
    clearTimeout(this.timer);
    this.controller?.abort();
    const {signal} = this.controller = new AbortController();
    const parameters = {limit: 100};
    for (const name of ["root", "prefix"]) if (this.place[name]) parameters[name] = this.place[name];
    if (this.query) parameters.q = this.query;
    if (more) parameters.cursor = this.cursor;
    try {
      const page = await this.page(parameters, signal);
      this.recordings = more ? [...this.recordings, ...page.recordings] : page.recordings;
      if (!more) this.folders = page.folders;
      Object.assign(this, {cursor: page.next_cursor || null, loaded: true, problem: "", truncated: page.truncated});
      this.found = this.query;
      if (!this.query) this.place = {root: page.root, prefix: page.prefix};
      if (!this.query && !more) this.tree.know(this.place, page.folders);
      if (page.root) this.know([...new Set([...this.roots, page.root])]);
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError && error.field === "root") {
        // One of several has to be named.
        const roots = await rootsKnown(error.message);
        if (signal.aborted) return;
        this.know(roots);
        this.folders = this.roots.map((root) => ({name: root, root, prefix: ""}));
        Object.assign(this, {recordings: [], loaded: true, problem: this.roots.length ? "" : error.message});
      } else {
        this.problem = error.message;
      }
    }
    this.tree.reveal(this.place);
    if (!signal.aborted && !more) this.timer = setTimeout(() => this.load(), REFRESH_MS);
    update();
  }

  // From the second letter on over all folders, where there is a catalogue; else in this folder.
  async page(parameters, signal) {
    const {root, ...others} = parameters;
    if (catalogue.there && this.query.length > 1) {
      try {
        delete others.prefix;
        const page = await get(`/v1/recordings?${new URLSearchParams(others)}`, {signal});
        this.everywhere = true;
        return {folders: [], truncated: false, ...page};
      } catch (error) {
        if (error.status !== 404) throw error;
        catalogue.there = false;
      }
    }
    this.everywhere = false;
    return (await preview("", parameters, {signal})).json();
  }

  know(roots) {
    this.roots = roots;
    sessionStorage.setItem(ROOTS, JSON.stringify(roots));
  }

  render() {
    const {root, prefix} = this.place, names = prefix.split("/").filter(Boolean);
    const crumb = (name, to) => [h("span", {class: "slash"}, "/"), h("button", {class: "crumb", translate: "no", onclick: () => this.show(to)}, name)];
    // Only where all that was found is known.
    const hits = this.query && this.everywhere && this.found === this.query && !this.cursor ? this.recordings.map(({path}) => path) : null;
    const tree = this.tree.render(hits);
    return h("div", {class: `page${tree ? " with-tree" : ""}`, key: "recordings"}, tree,
      h("header", {class: "top", key: "top"}, h("h1", null, t("Recordings")),
        h("nav", {class: "path", "aria-label": t("Path")}, root && crumb(root.split("/").filter(Boolean).at(-1) || "/", {root}),
          names.map((name, i) => crumb(name, {root, prefix: names.slice(0, i + 1).join("/")}))),
        h("span", {class: "spring"}),
        segments("view", t("View"), [["grid", t("Grid")], ["list", t("List")]], this.view, (view) => {
          this.view = view;
          remember("recordings", view);
          update();
        }, {small: true}),
        h("label", {class: "find"}, icon("search"), h("input", {
          class: "field", type: "search", placeholder: t("Find a recording"), "aria-label": t("Find a recording"), value: this.query,
          id: "find", oninput: (event) => this.search(event.target.value),
        }))),
      h("div", {class: "scroll", key: "scroll"}, this.body()));
  }

  body() {
    if (this.problem && !this.recordings.length && !this.folders.length) {
      return empty("warning", t("Recordings cannot be listed now"), this.problem, tryAgain(() => this.load()));
    }
    if (!this.loaded) return h("div", {class: "grid", "aria-label": t("Loading")}, [0, 1, 2, 3, 4, 5].map((i) => h("div", {key: i, class: "card blank"})));
    if (!this.recordings.length && !this.folders.length) {
      const {query} = this;
      if (!query) return empty("folder", t("No recordings yet"), t("Recordings in this folder appear here by themselves."));
      return empty("folder", this.everywhere ? t("No recording has “{query}” in its path", {query}) : t("No recording here has “{query}” in its name", {query}), "",
        h("button", {class: "button", onclick: () => this.search("")}, t("Clear the search")));
    }
    const growing = this.recordings.filter((each) => each.growing), others = this.recordings.filter((each) => !each.growing);
    const options = {withPath: this.query && this.everywhere, query: this.query};
    return [
      growing.length > 0 && h("section", {class: "growing", key: "growing"}, h("h2", null, t("Being written now")), growing.map((each) => row(each, options))),
      this.folders.length > 0 && h("div", {class: "folders", key: "folders"}, this.folders.map((folder) => h("button", {
        key: folder.prefix || folder.name, class: "folder", onclick: () => this.show({root: folder.root ?? this.place.root, prefix: folder.prefix}),
      }, icon("folder"), h("span", {translate: "no"}, folder.name)))),
      this.view === "list" ? h("div", {class: "rows", key: "rows"}, others.map((each) => row(each, options)))
        : h("div", {class: "grid", key: "grid"}, others.map((each) => card(each, options))),
      this.cursor && h("button", {class: "button more", key: "more", onclick: () => this.load(true)}, t("Show more")),
      this.truncated && h("p", {class: "third", key: "truncated"}, t("This folder has more than can be listed. Search for a part of the name.")),
    ];
  }
}

const catalogue = {there: true};

// The catalogue lists them; without it, the sentence of the error does.
async function rootsKnown(message) {
  try {
    const {roots} = await get("/v1/recordings");
    if (roots?.length) return [...new Set(roots.map((root) => root.path))];
  } catch { /* there is none */ }
  return [...new Set([...message.matchAll(/\/[^\s,'"]+/g)].map(([path]) => path.replace(/[.:;]$/, "")))];
}

const strips = new Map(); // id: {url, tiles, columns, …}, kept as long as the page
const MOST_STRIPS = 200;
let loading = 0, loads = new AbortController();
const queue = [];

// Those of cards that are no longer shown would hold up the player's windows.
function dropStrips() {
  queue.length = 0;
  loads.abort(new DOMException("closed", "AbortError"));
  loads = new AbortController();
}

// The frames of a recording, loaded when its card is shown.
function card(recording, {withPath, query}) {
  const strip = strips.get(recording.id);
  return h("a", {
    key: recording.id, class: "card", href: `#/editor/${recording.id}`,
    onpointermove: (event) => hover(event, recording), onpointerleave: (event) => rest(event),
  },
  h("div", {class: "thumb", ref: (element) => element && wantStrip(element, recording)},
    strip?.url && tile(strip, strip.at ?? 0),
    strip?.none && h("span", {class: "third"}, t("No frames: audio only")),
    h("div", {class: "thumb-line", hidden: true}), h("span", {class: "thumb-time", hidden: true}),
    recording.duration && h("span", {class: "thumb-length"}, clock(recording.duration))),
  about(recording, {withPath, query}));
}

function about(recording, {withPath, query}) {
  const codecs = (recording.codecs || []).map(codecName).join(", ");
  return [
    h("strong", {translate: "no", title: recording.name}, marked(recording.name, query)),
    withPath && h("span", {class: "third where", translate: "no", title: recording.path}, recording.path.split("/").slice(0, -1).join("/")),
    h("span", {class: "third"}, [date(recording.modified), bytes(recording.size), codecs].filter(Boolean).join(" · ")),
  ];
}

// The words that were searched for, in bold.
export function marked(text, query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean), found = [];
  for (let at = 0; at < text.length;) {
    const word = words.filter((each) => text.toLowerCase().startsWith(each, at)).sort((a, b) => b.length - a.length)[0];
    if (word) found.push(h("mark", null, text.slice(at, at + word.length)));
    else if (typeof found.at(-1) === "string") found[found.length - 1] += text[at];
    else found.push(text[at]);
    at += word?.length ?? 1;
  }
  return found;
}

// In one line, its frames beside each other.
function row(recording, options) {
  const strip = strips.get(recording.id);
  return h("a", {
    key: recording.id, class: "card recording-row", href: `#/editor/${recording.id}`,
    onpointermove: (event) => hover(event, recording), onpointerleave: (event) => rest(event),
  },
  h("div", {class: "about", key: "about"}, about(recording, options), recording.growing && badge("live", t("Growing"))),
  h("div", {class: `thumb${recording.growing ? " goes-on" : ""}`, key: "thumb", ref: (element) => element && wantStrip(element, recording)},
    strip?.url && Array.from({length: strip.tiles}, (_, at) => h("div", {class: "cell", key: at}, tile(strip, at))),
    strip?.none && h("span", {class: "third"}, t("No frames: audio only")),
    h("div", {class: "thumb-line", hidden: true}), h("span", {class: "thumb-time", hidden: true}),
    recording.duration && h("span", {class: "thumb-length"}, clock(recording.duration))));
}

function tile({url, columns, rows}, at) {
  return h("div", {key: "tile", class: "tile", style: {
    "background-image": `url(${url})`, "background-size": `${columns * 100}% ${rows * 100}%`,
    "background-position": `${columns > 1 ? (at % columns) / (columns - 1) * 100 : 0}% ${rows > 1 ? Math.floor(at / columns) / (rows - 1) * 100 : 0}%`,
  }});
}

function hover(event, recording) {
  const strip = strips.get(recording.id), element = event.currentTarget.querySelector(".thumb"), box = element.getBoundingClientRect();
  if (!strip?.url || event.clientY > box.bottom) return;
  const part = Math.max(0, Math.min(0.999, (event.clientX - box.left) / box.width));
  strip.at = Math.floor(part * strip.tiles);
  const [line, time] = [element.querySelector(".thumb-line"), element.querySelector(".thumb-time")];
  line.hidden = false;
  line.style.left = `${part * 100}%`;
  if (recording.duration) {
    time.hidden = false;
    time.textContent = clock(part * recording.duration);
    event.currentTarget.href = `#/editor/${recording.id}?t=${(part * recording.duration).toFixed(2)}`;
  }
  update();
}

function rest(event) {
  for (const element of event.currentTarget.querySelectorAll(".thumb-line, .thumb-time")) element.hidden = true;
}

const seen = new IntersectionObserver((entries) => {
  for (const {target, isIntersecting} of entries) {
    if (!isIntersecting) continue;
    seen.unobserve(target);
    queue.push(target);
    loadStrips();
  }
}, {rootMargin: "200px"});
const wanted = new WeakMap();

function wantStrip(element, recording) {
  if (strips.has(recording.id)) return;
  wanted.set(element, recording);
  seen.observe(element);
}

async function loadStrips() {
  if (loading >= 2 || !queue.length) return;
  loading++;
  const element = queue.shift(), recording = wanted.get(element), {id} = recording;
  try {
    const response = await preview(`/${id}/strip.jpg`, {n: 12, h: 144}, {signal: loads.signal});
    const header = (name) => Number(response.headers.get(`Preview-${name}`));
    const tiles = header("Tiles"), columns = header("Columns");
    strips.set(id, {url: URL.createObjectURL(await response.blob()), tiles, columns, rows: Math.ceil(tiles / columns)});
  } catch (error) {
    if (error.status === 422) strips.set(id, {none: true});
    else setTimeout(() => element.isConnected && wantStrip(element, recording), STRIP_RETRY_MS);
  }
  for (const [old, {url}] of strips) {
    if (strips.size <= MOST_STRIPS) break;
    if (url) URL.revokeObjectURL(url);
    strips.delete(old);
  }
  loading--;
  update();
  loadStrips();
}
