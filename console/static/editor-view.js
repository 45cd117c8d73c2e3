// How the editor looks.

import {badge, iconButton, progressOf, segments} from "./controls.js";
import {modeOf, whyEncoded} from "./effects.js";
import {effectsLayer, effectsPanel} from "./effects-view.js";
import {hasEnded} from "./events.js";
import {fieldError, leaveField, timeInput, wrongTime} from "./fields.js";
import {cropLayer, framingLine, shortPanel} from "./framing-view.js";
import {isShort} from "./framing.js";
import {h} from "./h.js";
import {icon} from "./icons.js";
import {number, t} from "./i18n.js";
import {keyCaps} from "./keys.js";
import {pathInUse} from "./path.js";
import {planLine} from "./plan.js";
import {quota} from "./quota.js";
import {isDraft} from "./ranges.js";
import {reelButton} from "./reel-draft.js";
import {layer} from "./stage.js";
import {remembered, update} from "./state.js";
import {taking} from "./taking.js";
import {bytes, clock, frameAt, length, parseTime, rateOf, timecode} from "./time.js";

// What is drawn over the frame, from below: each takes the editor and returns elements of `layer`, or nothing.
const OVERLAYS = [cropLayer, effectsLayer];
const ABOVE = 57; // one range that is closed
const MODE_NAMES = {copy: "Copy", smart: "Smart", encode: "Encode"};

export function renderEditor(editor) {
  const {recording} = editor;
  return h("div", {class: "editor", key: `editor-${editor.id}`},
    header(editor),
    h("div", {class: "work", key: "work"},
      stage(editor),
      recording && editor.player && transport(editor),
      recording && editor.timeline.render(),
      recording && framingLine(editor)),
    recording ? panel(editor) : h("aside", {class: "side", key: "side"}));
}

function header(editor) {
  const {recording} = editor, names = recording ? recording.path.split("/").filter(Boolean) : [];
  const root = remembered("roots", []).find((each) => recording?.path.startsWith(`${each.replace(/\/$/, "")}/`));
  const first = Math.max(root ? root.split("/").filter(Boolean).length - 1 : 0, names.length - 4);
  const folder = (name, at) => {
    const path = `/${names.slice(0, at + 1).join("/")}`;
    return [h("span", {class: "slash"}, "/"), h("a", {href: `#/recordings?in=${encodeURIComponent(path)}`, translate: "no"}, name)];
  };
  return h("header", {class: "top", key: "top"},
    h("nav", {class: "path", "aria-label": t("Path")},
      h("a", {href: "#/recordings", class: "to-recordings", "aria-label": t("Recordings")}, icon("back"), h("span", null, t("Recordings"))),
      names.slice(first, -1).map((name, i) => folder(name, first + i)),
      recording && [h("span", {class: "slash"}, "/"), h("strong", {translate: "no", title: recording.path}, recording.name)]),
    recording && h("span", {class: "facts", translate: "no"}, facts(recording)),
    recording?.growing && badge("live", t("Growing")),
    h("span", {class: "spring"}),
    recording && way(editor),
    quota.shorts?.limit > 0 && h("span", {class: "quota"}, t("Shorts"), " ",
      h("b", null, t("{left} of {limit} left", {left: quota.shorts.remaining, limit: quota.shorts.limit}))),
    recording && iconButton("undo", t("Undo"), () => editor.undo(), {disabled: !editor.list.undone.length}));
}

function facts(recording) {
  const {streams, width, height, fps, duration, size} = recording;
  const shown = (index) => streams.find((stream) => stream.index === index)?.codec;
  const codecs = [shown(recording.video), shown(recording.audio)].filter(Boolean).map(codecName).join(", ");
  return [
    duration && clock(duration), width && `${width} × ${height}${fps ? `, ${Number(fps.toFixed(2))} fps` : ""}`, codecs, bytes(size),
  ].filter(Boolean).join("  ·  ");
}

const CODECS = {h264: "H.264", hevc: "HEVC", mpeg2video: "MPEG-2", aac: "AAC", opus: "Opus", mp2: "MP2", ac3: "AC-3", av1: "AV1", vp9: "VP9"};
export const codecName = (codec) => CODECS[codec] || codec.toUpperCase();

function way(editor) {
  const {text, why} = pathInUse(editor);
  return badge("good", text, "way", why);
}

function stage(editor) {
  const {recording, player, problem} = editor, playable = !recording || ["copy", "proxy"].includes(recording.playable);
  return h("div", {class: "stage", key: "stage", id: "player", tabindex: -1},
    h("video", {
      key: "video", playsinline: true, preload: "auto", "aria-label": recording?.name, hidden: !playable,
      ref: (video) => editor.attachVideo(video), onclick: () => editor.handlers.play?.(),
    }),
    recording?.width && playable && layer([recording.width, recording.height], OVERLAYS.map((draw) => draw(editor))),
    problem && message("warning", problem, editor.gone ? null : t("Trying again.")),
    !playable && message("frames", recording.playable === "audio" ? t("This recording has no frames that can be shown.") : t("This recording cannot be shown."),
      [recording.reason, t("Cuts are made from the original.")].filter(Boolean).join(" ")),
    playable && player?.problem && message("warning", t("This part cannot be played."), player.problem,
      h("button", {class: "button", onclick: () => player.seek(player.shown)}, t("Try again"))));
}

function message(name, title, text, action) {
  return h("div", {class: "stage-message", role: "status", key: "message"}, icon(name, 24), h("strong", null, title), text && h("p", null, text), action);
}

function transport(editor) {
  const {player, recording, handlers, shown} = editor, playing = player.playing || player.reverse;
  const rate = rateOf(recording);
  return h("div", {class: "transport", key: "transport"},
    h("div", {class: "now"},
      editor.typing ? goTo(editor) : h("button", {class: "timecode", title: t("Go to a time"), onclick: () => editor.goTo()},
        timecode(shown - recording.start, rate)),
      h("span", {class: `frame${player.busy ? " busy" : ""}`}, t("frame {number}", {number: number(frameAt(recording, shown))}))),
    h("div", {class: "buttons"},
      iconButton("toIn", t("To the in-point"), handlers.toIn),
      iconButton("previousKey", t("Previous keyframe"), handlers.keyframeBack),
      iconButton("previous", t("Previous frame"), handlers.frameBack),
      h("button", {class: "play", "aria-label": playing ? t("Pause") : t("Play"), onclick: handlers.play}, icon(playing ? "pause" : "play", 20)),
      iconButton("next", t("Next frame"), handlers.frameOn),
      iconButton("nextKey", t("Next keyframe"), handlers.keyframeOn),
      iconButton("toOut", t("To the out-point"), handlers.toOut)),
    segments("rate", t("Speed"), [[0.5, "½×"], [1, "1×"], [2, "2×"], [4, "4×"]], editor.rate, (value) => editor.setRate(value), {small: true}),
    h("div", {class: "marks"},
      h("button", {class: "button", onclick: handlers.setIn, "aria-label": t("Set the in-point")}, icon("bracketIn"), t("In"), keyCaps("setIn")),
      h("button", {class: "button", onclick: handlers.setOut, "aria-label": t("Set the out-point")}, t("Out"), icon("bracketOut"), keyCaps("setOut"))),
    h("div", {class: "ends"},
      recording.growing && iconButton("live", t("Live end"), () => editor.seek(recording.duration)),
      iconButton(player.video.muted ? "muted" : "audio", t("Audio on or off"), handlers.mute, {pressed: player.video.muted}),
      iconButton("full", t("Full screen"), handlers.full)));
}

function goTo(editor) {
  const rate = rateOf(editor.recording);
  const leave = () => {
    editor.typing = false;
    update();
    document.getElementById("player")?.focus();
  };
  return h("input", {
    class: "timecode", key: "goto", "aria-label": t("Go to a time"), placeholder: timecode(editor.shown, rate), inputmode: "decimal",
    ref: (element) => element && setTimeout(() => element.focus()),
    onkeydown: (event) => {
      if (event.key === "Escape") leave();
      if (event.key !== "Enter") return;
      event.preventDefault();
      const at = parseTime(event.target.value, rate);
      if (Number.isNaN(at)) return event.target.setAttribute("aria-invalid", "true");
      leave();
      editor.seek(at + (editor.recording.start || 0)).then(() => editor.timeline.follow(editor.shown));
    },
    onblur: () => editor.typing && leave(),
  });
}

function panel(editor) {
  const {list, drafts, chosen} = editor;
  if (chosen && isShort(chosen) && !editor.inRanges) return shortPanel(editor, chosen);
  return h("aside", {class: "side", key: "side", "aria-label": t("Ranges")},
    h("header", {key: "head"}, h("h2", null, t("Ranges"), list.all.length > 0 && h("span", {class: "count"}, list.all.length)),
      h("button", {class: "button", onclick: () => editor.newRange()}, icon("plus"), t("New range"))),
    h("div", {class: "ranges", key: "ranges"},
      editor.ranges.map((range) => (range === chosen && isDraft(range) ? openRange(editor, range) : closedRange(editor, range))),
      hints(list.all.length)),
    h("footer", {key: "foot"},
      chosen?.errors?.request && h("p", {class: "error-text", role: "alert"}, icon("warning"), chosen.errors.request),
      takingLine(),
      h("div", {class: "requests"},
        h("button", {
          class: `button main${chosen?.busy ? " busy" : ""}`, "aria-disabled": String(!chosen || !isDraft(chosen)),
          onclick: () => editor.request(),
        }, chosen?.busy ? [h("i", {class: "spinner"}), t("Requesting…")]
          : chosen && isDraft(chosen) ? [h("span", {translate: "no"}, t("Request {name}", {name: chosen.name})), keyCaps("request")]
          : t("Request")),
        drafts.length > 1 && h("button", {class: "button", onclick: () => editor.requestAll()},
          drafts.length === 2 ? t("Request both") : t("Request all {count}", {count: drafts.length}))),
      list.all.length > 1 && reelButton(reelParts(editor))));
}

const reelParts = ({id, recording, list}) => list.all.filter((range) => range.in !== null && range.out !== null)
  .map((range) => ({path: recording.path, recording_id: id, in: range.in, out: range.out, fps: rateOf(recording), hand: range.name}));

function takingLine() {
  const found = taking();
  return found && h("p", {class: "before", title: found.more || null}, h("i", {class: found.good ? "dot good" : "dot"}), found.text);
}

function hints(count) {
  const line = (action, text) => h("p", {key: action}, keyCaps(action), text);
  return h("div", {class: "hints", key: "hints"},
    count === 0 && h("p", {key: "first", class: "first"}, t("Go to where the clip starts and set the in-point, then the out-point.")),
    count === 0 && [line("setIn", t("in-point at the playhead")), line("setOut", t("out-point at the playhead"))],
    line("newRange", t("new range at the playhead")),
    count > 0 && [line("split", t("split the range at the playhead")), line("name", t("name it"))],
    line("keys", t("all keys")));
}

function closedRange(editor, range) {
  const known = range.in !== null && range.out !== null;
  const parts = [known ? length(range.out - range.in) : t("not complete"), isShort(range) ? t("9:16 short") : t(MODE_NAMES[modeOf(range)]),
    range.priority !== "normal" && t(range.priority === "high" ? "High" : "Low")];
  const clip = editor.clipOf(range);
  return h("div", {key: range.id, class: `range${range === editor.chosen ? " chosen" : ""}`},
    h("button", {class: "range-line", onclick: () => {
      editor.choose(range);
      if (range.in !== null) editor.seek(range.in);
    }}, h("span", {class: "range-frame"}, range.in !== null && editor.timeline.hasVideo ? editor.timeline.stills.render(range.in) : icon("frames")),
    h("span", {class: "range-about"}, h("span", {class: "range-name", translate: "no"}, range.name),
      h("span", {class: "third"}, parts.filter(Boolean).join(" · ")))),
    h("div", {class: "range-state"}, clip ? clipState(clip) : range.busy ? badge("accent", t("Requesting…")) : badge("neutral", t("Draft"))));
}

function clipState(clip) {
  if (clip.status === "completed") {
    return [badge("good", t("Done")), clip.download_url && h("a", {
      class: "button quiet square", href: clip.download_url, download: "", "aria-label": t("Download {name}", {name: clip.hand_id}), title: t("Download"),
    }, icon("download"))];
  }
  if (clip.status === "failed") return h("span", {title: clip.error?.message}, badge("error", t("Failed")));
  if (clip.status === "cancelled") return badge("neutral", t("Cancelled"));
  if (clip.stage === "retrying") return badge("warning", t("Retrying"));
  if (clip.status === "queued" && !hasEnded(clip) && !clip.agent_id) return badge("neutral", t("Waiting"));
  return progressOf(clip);
}

function openRange(editor, range) {
  const complete = range.in !== null && range.out !== null;
  const change = (name, value) => {
    editor.list.note();
    range[name] = value;
    editor.edited(range, name);
  };
  const shaped = isShort(range), why = whyEncoded(range), reason = why && t(why);
  return h("div", {key: range.id, class: "range open chosen"},
    h("div", {class: "row", key: "first", ref: toView},
      h("input", {
        id: "range-name", class: "field grow", "aria-label": t("Name"), value: range.name, translate: "no", maxlength: 128,
        "aria-invalid": range.errors.name ? "true" : null, onfocus: (event) => event.target.select(), onkeydown: leaveField,
        oninput: (event) => { range.name = event.target.value; editor.edited(range, "name"); },
      }),
      badge("neutral", t("Draft")),
      iconButton("bin", t("Delete the draft"), () => editor.remove())),
    fieldError(range, "name"),
    h("div", {class: "row times"},
      timeField(editor, range, "in", t("In")), timeField(editor, range, "out", t("Out")),
      h("div", {class: "labelled"}, h("span", null, t("Length")), h("b", {class: "length"}, complete ? length(range.out - range.in) : "–"))),
    fieldError(range, "in"), fieldError(range, "out"),
    h("div", {class: "labelled"}, h("span", null, t("Mode")),
      segments("mode", t("Mode"), Object.entries(MODE_NAMES).map(([mode, label]) => [mode, t(label), mode !== "encode" && reason]),
        modeOf(range), (mode) => change("mode", mode))),
    h("div", {class: "row"},
      h("div", {class: "labelled grow"}, h("span", null, t("Priority")),
        segments("priority", t("Priority"), [["high", t("High")], ["normal", t("Normal")], ["low", t("Low")]], range.priority,
          (priority) => change("priority", priority))),
      h("label", {class: "labelled shape"}, h("span", null, t("Shape")),
        h("select", {class: "field", value: shaped ? "short" : "source", onchange: (event) => {
          editor.inRanges = false;
          change("shape", event.target.value === "short" ? "crop" : "source");
        }}, h("option", {value: "source", key: "source"}, t("As recorded")), h("option", {value: "short", key: "short"}, t("9:16 short"))))),
    shaped && h("button", {class: "button", key: "framing", onclick: () => editor.showRanges(false)}, icon("phone"), t("Framing")),
    reason && !shaped && h("p", {class: "third", key: "reason"}, reason),
    effectsPanel(editor, range),
    complete && plan(editor, {...range, mode: modeOf(range)}, (mode) => change("mode", mode)));
}

// Where the list scrolls, a range that was opened is in view.
function toView(element) {
  const range = element?.parentElement, list = range?.closest(".ranges");
  if (!list) return;
  const top = range.offsetTop - list.offsetTop, {scrollTop, clientHeight} = list;
  if (top < scrollTop || top + range.offsetHeight > scrollTop + clientHeight) list.scrollTop = top - ABOVE;
}

function plan(editor, range, use) {
  const line = planLine(range, editor.planOf(range));
  if (!line.unknown) editor.lastLine = line;
  const shown = line.unknown && editor.lastLine && editor.recording ? {...editor.lastLine, old: true} : line;
  return h("div", {class: `plan${shown.old ? " old" : ""}${shown.failing ? " failing" : ""}`, role: "status", key: "plan"}, icon(shown.failing ? "warning" : "info"),
    h("div", null, h("strong", null, shown.first),
      h("p", null, shown.second, shown.use && [" ", h("button", {class: "link", onclick: () => use(shown.use)}, t("Use Smart"))]),
      (shown.warnings || []).map((each, i) => h("p", {key: i}, each))));
}

function timeField(editor, range, edge, label) {
  return timeInput(editor, {name: `${range.id}-${edge}`, label, value: range[edge], invalid: range.errors[edge]}, (found) => {
    editor.list.note();
    if (Number.isNaN(found)) range.errors[edge] = wrongTime();
    else {
      range[edge] = found;
      delete range.errors[edge];
      if (found !== null && range.in !== null && range.out !== null && range.out <= range.in) {
        range.errors.out = t("The end is before the start. Set it after {time}.", {time: editor.timeline.label(range.in)});
      }
    }
    editor.list.save();
    editor.changed();
  });
}
