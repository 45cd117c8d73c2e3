// The folders of the recordings as a tree, beside them where the window is wide. Folders are read when they are opened.

import {get, preview} from "./api.js";
import {h} from "./h.js";
import {icon} from "./icons.js";
import {number, t} from "./i18n.js";
import {update} from "./state.js";

export const WIDE = matchMedia("(min-width: 1100px)");
const keyOf = ({root, prefix}) => `${root}\n${prefix}`;
const parentOf = ({root, prefix}) => (prefix ? {root, prefix: prefix.split("/").slice(0, -1).join("/")} : null);

export class Tree {
  // `show(place)` opens a folder: {root, prefix}.
  constructor(show) {
    this.show = show;
    this.place = {root: "", prefix: ""};
    this.roots = null; // [{path, recordings}], once they are known
    this.areRead = false; // whether from the catalogue
    this.folders = new Map(); // of a folder, by its key: [{name, prefix}]
    this.opened = new Set();
    this.loading = new Set();
    this.focused = null;
  }

  // The folders in a place, as they were just read there.
  know(place, folders) {
    if (place.root) this.folders.set(keyOf(place), folders);
  }

  // Shows a place with the folders above it open.
  async reveal(place) {
    const moved = keyOf(place) !== keyOf(this.place);
    this.place = place;
    if (!WIDE.matches) return;
    const known = Boolean(this.roots), reading = this.areRead || this.readRoots(place.root);
    if (!known) await reading;
    if (!moved && this.revealed === keyOf(place)) return update();
    this.revealed = keyOf(place);
    const above = [];
    for (let each = place.root ? place : null; each; each = parentOf(each)) above.unshift(each);
    for (const each of above) await this.open(each, {again: false});
  }

  // From the catalogue; without one the folder that is shown is all that is known.
  async readRoots(root) {
    this.areRead = true;
    const found = new Map((this.roots ?? []).map(({path, recordings}) => [path, recordings]));
    if (root && !found.has(root)) found.set(root, null);
    this.roots = [...found].map(([path, recordings]) => ({path, recordings}));
    try {
      for (const {path, recordings, truncated} of (await get("/v1/recordings?limit=1")).roots) found.set(path, truncated ? null : recordings);
    } catch ({status}) {
      this.areRead = status === 404; // there is none; else it is read again
    }
    this.roots = [...found].map(([path, recordings]) => ({path, recordings}));
    update();
  }

  async open(place, {again = true} = {}) {
    const key = keyOf(place);
    this.opened.add(key);
    update();
    if (this.loading.has(key) || (this.folders.has(key) && !again)) return;
    this.loading.add(key);
    try {
      const {root, prefix} = place;
      this.folders.set(key, (await (await preview("", {root, limit: 1, ...(prefix ? {prefix} : {})})).json()).folders);
    } catch {
      if (!this.folders.has(key)) this.opened.delete(key);
    }
    this.loading.delete(key);
    update();
  }

  close(place) {
    this.opened.delete(keyOf(place));
    update();
  }

  // What is shown, from above: [{root, prefix, name, level, count, open}]; `open` is null where there are no folders.
  rows() {
    const found = [];
    const add = (place, name, level, count) => {
      const key = keyOf(place), folders = this.folders.get(key), open = this.opened.has(key);
      found.push({...place, name, level, count, open: folders?.length === 0 ? null : open});
      if (open) for (const folder of folders ?? []) add({root: place.root, prefix: folder.prefix}, folder.name, level + 1);
    };
    for (const {path, recordings} of this.roots ?? []) add({root: path, prefix: ""}, path, 1, recordings);
    return found;
  }

  // `hits`: the paths that a search found, or null if there is none or not all of them are known.
  render(hits) {
    const rows = WIDE.matches ? this.rows() : [];
    if (!rows.length) return null;
    const current = keyOf(this.place), held = rows.find((row) => keyOf(row) === this.focused) ?? rows.find((row) => keyOf(row) === current) ?? rows[0];
    return h("div", {class: "tree", key: "tree", role: "tree", "aria-label": t("Folders"), onkeydown: (event) => this.move(event, rows)}, rows.map((row) => {
      const key = keyOf(row), path = [row.root.replace(/\/$/, ""), row.prefix].filter(Boolean).join("/");
      const dim = hits && !hits.some((hit) => hit.startsWith(`${path}/`));
      return h("div", {
        key, role: "treeitem", "aria-level": row.level, "aria-selected": String(key === current), "aria-expanded": row.open === null ? null : String(row.open),
        class: `branch${dim ? " dim" : hits ? " found" : ""}`, style: {"padding-left": `${8 + (row.level - 1) * 16}px`},
        tabindex: row === held ? 0 : -1, title: path, translate: "no",
        onclick: () => this.show(row), onfocus: () => { this.focused = key; update(); },
      },
      h("span", {class: "twist", onclick: (event) => {
        event.stopPropagation();
        this.toggle(row);
      }}, row.open !== null && icon("down", 12)),
      icon(row.level === 1 ? "server" : "folder"), h("span", {class: "branch-name"}, row.name),
      row.count > 0 && h("span", {class: "third"}, number(row.count)));
    }));
  }

  toggle(row) {
    if (row.open) this.close(row);
    else if (row.open === false) this.open(row);
  }

  // As in other trees: up and down, right opens or enters, left closes or leaves; Enter shows the recordings.
  move(event, rows) {
    const items = [...event.currentTarget.children], at = items.indexOf(event.target), row = rows[at];
    if (!row || event.altKey || event.ctrlKey || event.metaKey) return;
    const go = (to) => items[to]?.focus();
    const above = () => rows.findLastIndex(({level}, i) => i < at && level < row.level);
    if (event.key === "ArrowDown") go(at + 1);
    else if (event.key === "ArrowUp") go(at - 1);
    else if (event.key === "Home") go(0);
    else if (event.key === "End") go(items.length - 1);
    else if (event.key === "ArrowRight" && row.open) go(at + 1);
    else if (event.key === "ArrowRight") this.toggle(row);
    else if (event.key === "ArrowLeft" && row.open) this.close(row);
    else if (event.key === "ArrowLeft") go(above());
    else if (event.key === "Enter" || event.key === " ") this.show(row);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
