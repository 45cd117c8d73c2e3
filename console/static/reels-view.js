// How the reels look.

import {isGone, isHere} from "./clips.js";
import {badge, empty, iconButton, progress, segments, stageOf, tryAgain} from "./controls.js";
import {hasEnded} from "./events.js";
import {h} from "./h.js";
import {icon} from "./icons.js";
import {t} from "./i18n.js";
import {quota} from "./quota.js";
import {MOST_PARTS, OUTPUTS, draft, madeReels, titleOf} from "./reel-draft.js";
import {reelPlan} from "./reel-plan.js";
import {update} from "./state.js";
import {clock, length, parseTime, timecode} from "./time.js";

const SHAPE_NAMES = {
  source: "As recorded", wide: "16:9, blurred sides", square: "1:1, cropped", crop: "9:16, cropped", follow: "9:16, following", blur: "9:16, blurred sides",
};

export function renderReels(screen) {
  const {parts} = draft;
  return h("div", {class: `page reels${parts.length ? "" : " alone"}`, key: "reels"},
    h("header", {class: "top", key: "top"}, h("h1", null, t("Reels")),
      h("span", {class: "live"}, h("i", {class: screen.live ? "dot good" : "dot"}), screen.live ? t("Live") : t("Not live"))),
    h("div", {class: "scroll", key: "scroll"},
      parts.length > 0 && h("section", {class: "making", key: "making", "aria-label": t("New reel")},
        h("header", null, h("h2", null, t("New reel")), h("span", {class: "third"}, t("Drag the parts into their order, or use Alt with the arrow keys."))),
        h("ol", {class: "parts"}, parts.map((part, index) => partRow(screen, part, index))),
        h("p", {class: "unseen", role: "status"}, screen.said),
        h("p", {class: "reel-add"}, h("a", {class: "button", href: "#/clips"}, icon("plus"), t("Add clips")), h("a", {class: "button", href: "#/recordings"}, icon("plus"), t("Add ranges of a recording")))),
      h("section", {class: "made", key: "made", "aria-label": t("Reels")}, list(screen))),
    parts.length > 0 && panel(screen));
}

function partRow(screen, part, index) {
  const {plan, still} = screen.about(part), opened = screen.opened === part.id, name = titleOf(part, index);
  const lead = draft.mode === "copy" && !draft.encodes && plan?.keyframe_lead_seconds > 0.0005 ? plan.keyframe_lead_seconds : 0;
  const problem = part.errors.part ?? Object.values(part.errors)[0];
  return h("li", {
    key: part.id, class: `reel-part${opened ? " open" : ""}${screen.dragged === part ? " dragged" : ""}${problem ? " wrong" : ""}`, "data-part": part.id, tabindex: 0,
    "aria-label": t("Part {number}: {name}", {number: index + 1, name}),
    onkeydown: (event) => {
      const by = {ArrowUp: -1, ArrowDown: 1}[event.key];
      if (!by || event.target.matches("input, select")) return;
      event.preventDefault();
      event.stopPropagation();
      if (event.altKey) {
        screen.moveBy(part, by);
        focusLater(part, event.target.dataset.deed);
      } else {
        const row = event.currentTarget;
        (by < 0 ? row.previousElementSibling : row.nextElementSibling)?.focus();
      }
    },
  },
  h("div", {class: "part-line"},
    h("span", {class: "part-grip", title: t("Drag"), "aria-hidden": "true", onpointerdown: (event) => drag(event, screen, part)}, icon("grip")),
    h("b", {class: "part-number"}, index + 1),
    h("span", {class: "part-still"}, still ? h("img", {src: still, alt: ""}) : icon("frames")),
    h("div", {class: "part-name"}, h("strong", {translate: "no"}, name),
      h("span", {class: "third", translate: "no", title: part.path}, part.path.split("/").at(-1)),
      lead > 0 && h("span", {class: "third"}, t("starts {seconds} s earlier", {seconds: lead.toFixed(2)}))),
    h("span", {class: "part-when"}, `${timecode(part.in, part.fps)} – ${timecode(part.out, part.fps)}`),
    h("span", {class: "part-long"}, length(part.out - part.in)),
    h("span", {class: "part-deeds"},
      deed("up", t("Move {name} up", {name}), index === 0, () => { screen.moveBy(part, -1); focusLater(part, "up"); }, "up"),
      deed("down", t("Move {name} down", {name}), index === draft.parts.length - 1, () => { screen.moveBy(part, 1); focusLater(part, "down"); }),
      iconButton("pencil", t("Change {name}", {name}), () => { screen.opened = opened ? null : part.id; update(); }, {expanded: opened}),
      iconButton("bin", t("Remove {name}", {name}), () => screen.remove(part)))),
  problem && h("p", {class: "error-text", role: "alert"}, icon("warning"), problem),
  opened && fields(screen, part));
}

function deed(name, label, disabled, run, extra = "") {
  return h("button", {class: `button quiet square ${extra}`, "aria-label": label, title: label, "data-deed": name, "aria-disabled": String(disabled), onclick: () => disabled || run()}, icon("down"));
}

// A row that was moved in the document has lost the focus.
function focusLater(part, name) {
  queueMicrotask(() => queueMicrotask(() => {
    const row = document.querySelector(`[data-part="${part.id}"]`);
    (name && row?.querySelector(`[data-deed="${name}"]`) || row)?.focus();
  }));
}

// The part goes where the pointer is, between the middles of the others; Esc puts all back.
function drag(event, screen, part) {
  if (event.button) return;
  event.preventDefault();
  const list = event.currentTarget.closest(".parts"), before = [...draft.parts];
  screen.dragged = part;
  const move = ({clientY}) => {
    const others = [...list.children].filter((row) => row.dataset.part !== part.id);
    const to = others.filter((row) => {
      const box = row.getBoundingClientRect();
      return box.top + box.height / 2 < clientY;
    }).length;
    if (draft.parts.indexOf(part) !== to) draft.move(part, to);
  };
  const end = () => {
    for (const [name, run] of Object.entries(listeners)) removeEventListener(name, run, true);
    screen.dragged = null;
    screen.say(part);
  };
  const key = (pressed) => {
    if (pressed.key !== "Escape") return;
    pressed.stopPropagation();
    draft.parts = before;
    draft.save();
    end();
  };
  const listeners = {pointermove: move, pointerup: end, pointercancel: end, keydown: key};
  for (const [name, run] of Object.entries(listeners)) addEventListener(name, run, true);
  update();
}

function fields(screen, part) {
  const change = (name) => (event) => screen.changePart(part, name, event.target.value);
  const time = (edge, label) => labelled(label, h("input", {
    class: "field time", value: screen.typed[`${part.id}-${edge}`] ?? timecode(part[edge], part.fps), "aria-invalid": part.errors[edge] ? "true" : null,
    oninput: typing(screen, `${part.id}-${edge}`), onkeydown: (event) => {
      if (event.key !== "Escape") return;
      event.target.value = timecode(part[edge], part.fps); // what was typed is dropped
      [screen.typed, part.errors] = [{}, {}];
      update();
    }, onchange: (event) => {
      if (event.target.value.trim() === timecode(part[edge], part.fps)) {
        [screen.typed, part.errors] = [{}, {}];
        return update();
      }
      const at = parseTime(event.target.value, part.fps), [from, to] = edge === "in" ? [at, part.out] : [part.in, at];
      if (Number.isNaN(at)) part.errors = {[edge]: t("Write a time like {example}.", {example: "00:01:23:05"})};
      else if (to <= from) part.errors = {[edge]: t("The end is before the start.")};
      else {
        screen.typed = {};
        return screen.changePart(part, edge, at);
      }
      update();
    },
  }));
  const text = (name, label, most, placeholder = "") => labelled(label, h("input", {
    class: "field", value: part[name], maxlength: most, placeholder, translate: "no", "aria-invalid": part.errors[name] ? "true" : null, oninput: change(name),
  }));
  return h("div", {class: "part-fields"},
    text("title", t("Title of the chapter"), 200, part.hand), time("in", t("In")), time("out", t("Out")),
    labelled(t("Rating"), h("select", {class: "field", value: String(part.rating), onchange: (event) => screen.changePart(part, "rating", Number(event.target.value))},
      [0, 1, 2, 3, 4, 5].map((each) => h("option", {key: each, value: String(each)}, each ? String(each) : "–")))),
    text("tags", t("Tags, with commas between"), 400), text("notes", t("Notes"), 1000),
    part.recording_id && h("a", {class: "button", href: `#/editor/${part.recording_id}?t=${part.in}`}, icon("scissors"), t("Open in editor")));
}

// What is being typed stays while the page is drawn again.
const typing = (screen, name) => (event) => { screen.typed = {[name]: event.target.value}; };

const labelled = (label, control) => h("label", {class: "labelled", key: label}, h("span", null, label), control);

function panel(screen) {
  const {errors, busy, parts} = draft, mixed = draft.transition !== "cut";
  const reason = draft.encodes ? t("Another shape needs Encode") : null;
  const plan = reelPlan(parts.map((part) => screen.about(part)), quota.longest?.reel_seconds);
  const check = (name, label) => h("label", {class: "check", key: name}, h("input", {type: "checkbox", checked: draft[name], onchange: (event) => screen.change(name, event.target.checked)}), label);
  const chooseTransition = (value) => {
    if (value !== "cut" && draft.mode === "copy") draft.mode = "smart";
    screen.change("transition", value);
  };
  const error = (name) => errors[name] && h("p", {class: "error-text", role: "alert", key: `${name}-error`}, icon("warning"), t(errors[name]));
  return h("aside", {class: "side", key: "side", "aria-label": t("The reel")},
    h("header", {key: "head"}, h("h2", null, t("The reel")), h("button", {class: "button", onclick: () => clear(screen)}, t("Clear"))),
    h("div", {class: "ranges reel-options", key: "options"},
      labelled(t("Name"), h("input", {class: "field", id: "reel-name", value: draft.name, maxlength: 128, translate: "no", "aria-invalid": errors.name ? "true" : null, oninput: (event) => screen.change("name", event.target.value)})),
      error("name"),
      h("div", {class: "labelled"}, h("span", null, t("Between two parts")),
        segments("transition", t("Between two parts"), [["cut", t("Cut")], ["fade", t("Fade")], ["dissolve", t("Dissolve")]], draft.transition, chooseTransition)),
      mixed && labelled(t("Seconds of each"), h("input", {class: "field", type: "number", min: 0.1, max: 5, step: 0.1, value: screen.typed.seconds ?? String(draft.seconds), "aria-invalid": errors.transition ? "true" : null, oninput: typing(screen, "seconds"),
        onchange: (event) => { screen.typed = {}; screen.change("seconds", Number(event.target.value)); }})),
      error("transition"),
      h("div", {class: "labelled"}, h("span", null, t("Mode")),
        segments("mode", t("Mode"), [["copy", t("Copy"), reason ?? (mixed ? t("Transitions can't be copied") : null)], ["smart", t("Smart"), reason], ["encode", t("Encode")]], draft.encodes ? "encode" : draft.mode, (value) => screen.change("mode", value))),
      error("mode"),
      labelled(t("Shape"), h("select", {class: "field", value: draft.shape, onchange: (event) => screen.change("shape", event.target.value)}, Object.keys(OUTPUTS).map((shape) => h("option", {key: shape, value: shape}, t(SHAPE_NAMES[shape]))))),
      error("shape"),
      h("div", {class: "labelled"}, h("span", null, t("Priority")),
        segments("priority", t("Priority"), [["high", t("High")], ["normal", t("Normal")], ["low", t("Low")]], draft.priority, (value) => screen.change("priority", value))),
      check("chapters", t("A chapter for each part")), check("tsv", t("A table of the parts beside it")), check("overlaps", t("Parts may overlap, as in a replay"))),
    h("footer", {key: "foot"},
      h("div", {class: `plan${plan.failing ? " failing" : ""}`, role: "status"}, icon(plan.failing ? "warning" : "info"), h("div", null, h("strong", null, plan.first), h("p", null, plan.second))),
      parts.length > MOST_PARTS && h("p", {class: "error-text"}, icon("warning"), t("A reel has up to {count} parts.", {count: MOST_PARTS})),
      error("request"),
      h("div", {class: "requests"}, h("button", {class: `button main${busy ? " busy" : ""}`, id: "request-reel", onclick: () => screen.request()},
        busy ? [h("i", {class: "spinner"}), t("Requesting…")] : h("span", {translate: "no"}, t("Request {name}", {name: draft.name}))))));
}

function clear(screen) {
  const before = draft.values;
  draft.take({...before, parts: []});
  draft.save();
  screen.removed(before);
}

function list(screen) {
  const rows = screen.rows;
  if (!rows.length) {
    if (screen.problem) return empty("warning", t("Reels cannot be listed now"), screen.problem, tryAgain(() => screen.load()));
    if (!screen.ready) return h("div", {class: "table", "aria-label": t("Loading")}, [0, 1, 2].map((i) => h("div", {key: i, class: "clip blank"})));
    return !draft.parts.length && empty("reel", t("No reels yet"), t("Choose clips and make a reel of them, or add ranges in the editor."),
      h("p", {class: "reel-add"}, h("a", {class: "button", href: "#/clips"}, t("Choose clips")), h("a", {class: "button", href: "#/recordings"}, t("Find a recording"))));
  }
  return [h("div", {class: "table", role: "table", "aria-label": t("Reels"), key: "table", onkeydown: (event) => screen.list.move(event)}, rows.map((clip) => [
    screen.list.row(clip), screen.list.opened === clip.request_id && h("div", {key: `${clip.request_id}-report`, class: "reel-report", role: "row"}, h("div", {role: "cell"}, screen.report(clip), partsOf(screen, clip)))])),
  screen.cursor && h("button", {class: "button more", key: "more", onclick: () => screen.load(true)}, t("Show more"))];
}

// What is known of each part: its title from the request, its progress, and where it is in the reel.
function partsOf(screen, clip) {
  const titles = titlesOf(clip), cut = clip.report?.parts ?? [], begun = new Map((clip.parts ?? []).map((each) => [each.index, each]));
  const count = Math.max(titles.length, cut.length, ...[...begun.keys()].map((index) => index + 1), 0), failed = clip.error?.part;
  const play = (event, at) => {
    const video = event.currentTarget.closest(".reel-report").querySelector("video");
    video.currentTime = at + 0.01;
    video.play().catch(() => {});
  };
  return h("div", {class: "reel-parts"}, h("h3", null, t("Parts")),
    h("ol", null, Array.from({length: count}, (_, index) => {
      const {start_seconds: at, end_seconds: end, requested} = cut[index] ?? {}, name = titles[index] || `${t("Part")} ${index + 1}`;
      return h("li", {key: index}, h("b", {class: "part-number"}, index + 1),
        at === undefined || !isHere(clip.download_url) || isGone(clip) ? h("span", {class: "part-name", translate: "no"}, name)
          : h("button", {class: "link", "aria-label": t("Play from {name}", {name}), onclick: (event) => play(event, at)}, h("span", {translate: "no"}, name)),
        at !== undefined && h("span", {class: "third"}, `${clock(at)} – ${clock(end)}`),
        requested && h("span", {class: "third"}, `${timecode(requested.start, clip.report.video.fps || 25)} – ${timecode(requested.end, clip.report.video.fps || 25)}`),
        h("span", {class: "part-state"}, index === failed ? badge("error", t("Failed")) : partState(clip, begun.get(index))));
    })),
    hasEnded(clip) && madeReels()[clip.request_id] && h("button", {class: "button", onclick: () => screen.again(clip)}, icon("retry"), t("Make a new reel of these parts")));
}

function partState(clip, part) {
  if (clip.status === "completed" || part?.stage === "completed") return badge("good", t("Done"));
  if (hasEnded(clip)) return null;
  if (!part) return badge("neutral", t("Waiting"));
  const percent = Math.round(part.progress_percent);
  return progress(`${stageOf({...part, status: "processing"})} ${percent} %`, percent);
}

function titlesOf({metadata}) {
  try {
    const found = JSON.parse(metadata?.titles);
    return Array.isArray(found) ? found.slice(0, MOST_PARTS).map(String) : [];
  } catch {
    return [];
  }
}
