// What a reel will be, before it is requested.

import {codecName} from "./editor-view.js";
import {some, t} from "./i18n.js";
import {framesReencoded} from "./plan.js";
import {draft} from "./reel-draft.js";
import {length} from "./time.js";

const COPIED = ["codec", "width", "height"]; // have to be those of the first part where frames are to be copied

// `known`: of each part {recording, plan}. `longest`: seconds, where they are known. {first, second, failing}
export function reelPlan(known, longest) {
  const {parts} = draft, whole = draft.length;
  if (longest && whole > longest) {
    return {failing: true, first: t("It would be {length} long; the longest allowed is {longest}.", {length: length(whole), longest: length(longest)}), second: t("Leave out parts, or make them shorter.")};
  }
  const first = some(parts.length, "1 part, {length} long.", "{count} parts, {length} long.", {length: length(Math.max(0, whole))});
  if (draft.encodes) return {first, second: [t("Another shape needs Encode"), t("All frames are re-encoded.")].join(". ").replace("..", ".")};
  if (draft.mode === "encode") return {first, second: t("All frames are re-encoded.")};
  const odd = differing(known);
  if (odd) return {first, second: t("All frames are re-encoded: part {number} has {what}, part 1 {other}.", odd)};
  return {first, second: draft.mode === "copy" ? copied(known) : smart(known)};
}

function copied(known) {
  const leads = known.map(({plan}) => plan?.keyframe_lead_seconds ?? 0).filter((lead) => lead > 0.0005);
  if (known.some(({plan}) => !plan)) return t("No frame is re-encoded. Each part starts at the keyframe before its in-point.");
  if (!leads.length) return t("No frame is re-encoded, and each part starts at a keyframe.");
  return t("No frame is re-encoded. {count} parts start earlier, at keyframes: by up to {seconds} s.", {count: leads.length, seconds: Math.max(...leads).toFixed(2)});
}

function smart(known) {
  const where = draft.transition === "cut" ? t("Only a few frames at both ends of the parts are re-encoded.") : t("Only frames at the ends of parts and in transitions are re-encoded.");
  if (known.some(({plan}) => !plan)) return where;
  const frames = known.reduce((sum, {plan}) => sum + plan.frames_reencoded, 0);
  return `${t("Exact to the frame.")} ${where}${draft.transition === "cut" ? ` (${frames ? framesReencoded(frames) : t("nothing re-encoded")})` : ""}`;
}

// The first part that is not like the first one: {number, what, other}.
function differing(known) {
  const facts = known.map(({recording}) => recording && {...recording, codec: recording.streams.find((each) => each.index === recording.video)?.codec});
  const at = facts.findIndex((each) => each && facts[0] && COPIED.some((name) => each[name] !== facts[0][name]));
  if (at < 0) return null;
  const named = (each) => [each.codec && codecName(each.codec), each.width && `${each.width} × ${each.height}`].filter(Boolean).join(" ");
  return {number: at + 1, what: named(facts[at]), other: named(facts[0])};
}
