// The screens, in the order of the rail.
//
// A screen has `render()`. It may have `open(rest, query, again)`, called at each change of the address while it is
// shown (`again`: it was shown before the change, too), `close()`, called once another is shown, `restart()`, called
// when a key was entered, `handlers` of keys, and `title`.

import {Clips} from "./clips.js";
import {Editor} from "./editor.js";
import {Later} from "./later.js";
import {Recordings} from "./recordings.js";
import {Shorts} from "./shorts.js";

// One editor for each recording: it is kept while its recording is shown.
class EditorScreen {
  constructor() {
    this.now = null;
  }

  open([id], query, again) {
    const at = query.get("t"), start = at === null ? null : Number(at) || 0;
    if (this.now?.id !== id) {
      this.close();
      sessionStorage.setItem("clipping.recording", id);
      this.now = new Editor(id, start);
    } else if (start !== null && this.query !== query.toString()) {
      this.now.seek(start);
    }
    if (query.get("of") && (this.query !== query.toString() || !again)) this.now.reopen(query.get("of"));
    this.query = query.toString();
  }

  close() {
    this.now?.close();
    this.now = null;
  }

  restart() {
    if (this.now && !this.now.recording) this.now.load();
  }

  render() {
    return this.now.render();
  }

  get handlers() {
    return this.now?.handlers ?? {};
  }

  get title() {
    return this.now?.recording?.name;
  }
}

const lastRecording = () => sessionStorage.getItem("clipping.recording");

export const editor = new EditorScreen();

// `to()`: where the rail leads; null while it can lead nowhere. `needs`: the parts of an address without which there
// is nothing to show.
export const SCREENS = [
  {name: "recordings", icon: "folder", label: "Recordings", to: () => "#/recordings", screen: new Recordings()},
  {name: "editor", icon: "scissors", label: "Editor", to: () => (lastRecording() ? `#/editor/${lastRecording()}` : null), screen: editor, needs: 1},
  {name: "clips", icon: "list", label: "Clips", to: () => "#/clips", screen: new Clips()},
  {name: "shorts", icon: "phone", label: "Shorts", to: () => "#/shorts", screen: new Shorts()},
  {name: "reels", icon: "reel", label: "Reels", to: () => "#/reels", screen: new Later(async () => (await import("./reels.js")).Reels)},
  {name: "agents", icon: "server", label: "Agents", to: () => "#/agents", screen: new Later(async () => (await import("./agents.js")).Agents)},
  {name: "statistics", icon: "chart", label: "Statistics", to: () => "#/statistics", screen: new Later(async () => (await import("./statistics.js")).Statistics)},
];

// All files, so that screens open at once, and while the service is away.
export async function loadAll() {
  for (const {screen} of SCREENS) await screen.prepare?.();
}

export const shown = (route) => SCREENS.find((each) => each.name === route.screen);
