// What a cut will be, before it is made: from the service's plan, or from the keyframes where it has none.

import {isFinal, plan} from "./api.js";
import {some, t} from "./i18n.js";
import {bytes} from "./time.js";

const QUIET_MS = 250, AGAIN_MS = 10_000;
// Seconds that don't matter: plans and reports are rounded to milliseconds.
export const EXACT = 0.0015;

export const framesReencoded = (count) => some(count, "1 frame re-encoded", "{count} frames re-encoded");
let missing = false;

export class Planner {
  constructor(changed) {
    this.changed = changed;
    this.known = new Map();
  }

  // The plan of a request: undefined while it is not known, null if it can't be had.
  of(body) {
    if (missing) return null;
    const {hand_id, priority, ...rest} = body;
    const name = JSON.stringify(rest);
    const found = this.known.get(name);
    if (found === undefined && this.wanted !== name) {
      this.wanted = name;
      clearTimeout(this.timer);
      this.controller?.abort();
      this.timer = setTimeout(() => this.load(name, body), QUIET_MS);
    }
    return found;
  }

  async load(name, body) {
    const controller = this.controller = new AbortController();
    try {
      this.known.set(name, await plan(body, {signal: controller.signal}));
    } catch (error) {
      if (controller.signal.aborted) return;
      if ([404, 405].includes(error.status) && !error.field) missing = true;
      // What the clip would fail with, or nothing: then the keyframes have to do.
      this.known.set(name, error.status === 422 ? {problem: error.message} : null);
      if (!isFinal(error)) setTimeout(() => this.forget(name), AGAIN_MS);
    }
    if (this.known.size > 200) this.known.delete(this.known.keys().next().value);
    this.changed();
  }

  // It is read again once it is drawn.
  forget(name) {
    if (this.known.get(name) !== null) return;
    this.known.delete(name);
    if (this.wanted === name) this.wanted = null;
    this.changed();
  }
}

// What the plan line says of a range: {first, second, use}; `use` is the mode that the second sentence offers.
export function planLine(range, {plan, lead, other}) {
  if (plan?.problem) return {first: t("This clip can't be made."), second: plan.problem, failing: true};
  if (plan) return planned(range, plan, other);
  if (range.mode === "copy" && lead !== undefined) {
    const seconds = range.in - lead;
    if (seconds < EXACT) return {first: t("Starts exactly at the in-point: it is a keyframe."), second: t("Nothing will be re-encoded.")};
    return {
      first: t("Starts {seconds} s earlier, at a keyframe.", {seconds: seconds.toFixed(2)}),
      second: t("Smart would be exact."), use: "smart",
    };
  }
  if (range.mode === "smart") return {first: t("Exact to the frame."), second: t("Only a few frames at both ends are re-encoded.")};
  if (range.mode === "encode") return {first: t("Exact to the frame."), second: t("All frames are re-encoded.")};
  return {first: t("The plan is not known yet. The request works all the same."), unknown: true};
}

// A copied clip contains what its frames need.
function differing(lead, late) {
  const earlier = lead.toFixed(2), later = late.toFixed(2);
  if (late <= EXACT) return t("Starts {seconds} s earlier, at a keyframe.", {seconds: earlier});
  if (lead <= EXACT) return t("Ends {later} s later: its last frames need what follows them.", {later});
  return t("Starts {earlier} s earlier, at a keyframe, and ends {later} s later.", {earlier, later});
}

function planned(range, plan, other) {
  const lead = plan.keyframe_lead_seconds || 0;
  const size = [
    plan.estimated_bytes && bytes(plan.estimated_bytes),
    plan.estimated_seconds !== undefined && plan.estimated_seconds !== null
      && t("about {seconds} s", {seconds: plan.estimated_seconds.toFixed(1)}),
  ].filter(Boolean).join(", ");
  const frames = plan.frames_reencoded ? framesReencoded(plan.frames_reencoded) : t("nothing re-encoded");
  const dropped = plan.dropped_streams.map((stream) => t("Stream {index} ({codec}) is left out: {reason}.", stream));
  const warnings = [...plan.reasons, ...dropped, ...plan.warnings];
  const late = Math.max(0, plan.out - range.out);
  if (lead > EXACT || late > EXACT) {
    const cost = other && !other.problem && [
      other.frames_reencoded !== undefined && framesReencoded(other.frames_reencoded),
      other.estimated_bytes && bytes(other.estimated_bytes),
      other.estimated_seconds && t("about {seconds} s", {seconds: other.estimated_seconds.toFixed(1)}),
    ].filter(Boolean).join(", ");
    return {
      first: differing(lead, late),
      second: cost ? t("Smart would be exact: {cost}.", {cost}) : t("Smart would be exact."), use: "smart", warnings,
    };
  }
  const first = plan.mode === "copy" ? t("Starts exactly at the in-point: it is a keyframe.") : t("Exact to the frame.");
  const second = [frames, size].filter(Boolean).join(", ");
  return {first, second: `${second[0].toUpperCase()}${second.slice(1)}.`, warnings};
}
