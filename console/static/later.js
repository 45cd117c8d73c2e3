// A screen whose files are loaded when it is opened first, or once the page rests.

import {empty, tryAgain} from "./controls.js";
import {h} from "./h.js";
import {t} from "./i18n.js";
import {update} from "./state.js";

export class Later {
  // `load`: resolves to the screen's class.
  constructor(load) {
    Object.assign(this, {load, screen: null, address: null, problem: "", loading: null});
  }

  open(...address) {
    this.address = address;
    if (this.screen) this.screen.open(...address);
    else this.prepare();
  }

  close() {
    this.address = null;
    this.screen?.close?.();
  }

  restart() {
    this.screen?.restart?.();
  }

  prepare() {
    this.problem = "";
    return this.loading ??= this.make().finally(() => { this.loading = null; });
  }

  async make() {
    if (this.screen) return;
    try {
      const Screen = await this.load();
      this.screen = new Screen();
      if (this.address) this.screen.open(...this.address);
    } catch (error) {
      this.problem = error.message;
    }
    update();
  }

  render() {
    if (this.screen) return this.screen.render();
    if (this.problem) return empty("warning", t("This screen cannot be loaded now"), this.problem, tryAgain(() => this.prepare()));
    return h("div", {class: "table", "aria-label": t("Loading"), key: "later"}, [0, 1, 2].map((at) => h("div", {key: at, class: "clip blank"})));
  }

  get handlers() {
    return this.screen?.handlers ?? {};
  }

  get title() {
    return this.screen?.title;
  }
}
