// The panels beside the cards: failing over, and pausing automatic takeovers.

import {couldLead, leasedTo, leaderOf, missingGpu, othersOf, stepsOf, STEPS_DONE, whyNot} from "./agents-state.js";
import {iconButton, segments} from "./controls.js";
import {h} from "./h.js";
import {icon} from "./icons.js";
import {some, t} from "./i18n.js";
import {update} from "./state.js";

const REASON = 500; // characters that the service takes
const HOURS = [["1", "1 hour"], ["4", "4 hours"], ["24", "1 day"], ["168", "7 days"], ["", "Until it is resumed"]];

export function renderPanel(screen) {
  const [title, content] = screen.panel === "pause" ? ["Pause automatic takeover", pausing(screen)] : failover(screen);
  return h("aside", {class: "side-panel", key: `panel-${screen.panel}`, role: "dialog", "aria-labelledby": "panel-title", "aria-describedby": "panel-steps", onkeydown: (event) => keys(screen, event)},
    h("header", {key: "head"}, h("h2", {id: "panel-title"}, typeof title === "string" ? t(title) : title), h("span", {class: "spring"}), iconButton("cross", t("Close"), () => screen.closePanel())),
    content);
}

// Focus stays inside until it is closed.
function keys(screen, event) {
  if (event.key === "Escape") {
    event.stopPropagation();
    return screen.closePanel();
  }
  if (event.key !== "Tab") return;
  const all = [...event.currentTarget.querySelectorAll("button, input, select")].filter((each) => !each.disabled && each.tabIndex >= 0);
  const [first, last] = [all[0], all.at(-1)];
  if (event.shiftKey && document.activeElement === first) last.focus();
  else if (!event.shiftKey && document.activeElement === last) first.focus();
  else return;
  event.preventDefault();
}

function failover(screen) {
  const {view, run} = screen;
  if (run) return following(screen);
  const target = screen.target;
  if (!target) return ["Fail over", h("p", {class: "panel-text", key: "none", id: "panel-steps"}, t("There is no other agent."))];
  const from = leasedTo(view), to = target.agent_id, able = couldLead(target), {form} = screen;
  const title = leaderOf(view) ? t("Hand over from {from} to {to}?", {from, to}) : t("Let {to} lead?", {to});
  const set = (values) => { Object.assign(form, values); update(); };
  const submit = (event) => {
    event.preventDefault();
    if (able) screen.failOver(to, form);
  };
  return [[title], h("form", {class: "panel-form", key: "form", onsubmit: submit},
    able ? steps(stepsOf(view, target, form.fast).map((text) => [text, ""])) : cannot(target),
    able && slower(view, target),
    choice(screen, target, set),
    h("div", {class: "labelled", key: "in-flight"}, h("span", null, t("Clips in flight")),
      segments("fast", t("Clips in flight"), [["finish", t("Finish them")], ["give", t("Give them back at once")]], form.fast ? "give" : "finish", (value) => set({fast: value === "give"}))),
    reason(form), refusal(screen),
    h("footer", {key: "footer"},
      h("button", {class: "button", type: "button", key: "cancel", ref: (element) => element?.focus(), onclick: () => screen.closePanel()}, t("Cancel")),
      h("button", {class: "button main", key: "go", "aria-disabled": able && !screen.busy ? null : "true", title: able ? null : t("{name} cannot take over.", {name: to})},
        screen.busy && h("span", {class: "spinner"}), t("Fail over to {to}", {to}))))];
}

// `marked`: [text, "done" | "now" | ""].
function steps(marked) {
  return h("ol", {class: "steps", id: "panel-steps", key: "steps"}, marked.map(([text, mark], i) => h("li", {key: i, class: mark, "aria-current": mark === "now" ? "step" : null},
    h("i", {"aria-hidden": "true"}, mark === "done" ? icon("check", 12) : String(i + 1)), h("span", null, text))));
}

function cannot(target) {
  return h("div", {class: "cannot", key: "cannot", id: "panel-steps"}, h("strong", null, icon("warning"), t("{name} cannot take over.", {name: target.agent_id})),
    h("ul", null, (target.reasons.length ? target.reasons : [whyNot(target)]).map((each, i) => h("li", {key: i}, each))));
}

function slower(view, target) {
  const gpu = missingGpu(leaderOf(view), target);
  return gpu && h("p", {class: "worse", key: "worse"}, icon("warning"), t("{to} has no {gpu}. Encodes will take longer there.", {to: target.agent_id, gpu}));
}

function choice(screen, target, set) {
  const others = othersOf(screen.view);
  return others.length > 1 && h("label", {class: "labelled", key: "target"}, h("span", null, t("Which agent takes over")),
    h("select", {class: "field", value: target.agent_id, onchange: (event) => set({target: event.target.value})},
      others.map(({agent_id: id}) => h("option", {key: id, value: id}, id))));
}

function reason(form) {
  return h("label", {class: "labelled", key: "reason"}, h("span", null, t("Reason, for the history")),
    h("input", {class: "field", id: "panel-reason", value: form.reason, maxlength: REASON, autocomplete: "off", oninput: (event) => { form.reason = event.target.value; }}));
}

const refusal = (screen) => screen.refusal && h("p", {class: "error-text", role: "alert", key: "refusal"}, icon("warning"), screen.refusal);

// A failover that has begun, in the same four lines.
function following(screen) {
  const {run: {operation, from, epoch}, cluster} = screen, to = operation.target ?? operation.new_primary ?? "", old = operation.old_primary ?? from ?? "";
  const done = STEPS_DONE[operation.state], left = cluster.agents.find((agent) => agent.agent_id === old)?.in_flight?.length ?? 0;
  const texts = [
    t("{from} takes no new clips.", {from: old}),
    done > 1 ? t("It has given up its lease.") : left ? some(left, "One clip is left, then it gives up its lease.", "{count} clips are left, then it gives up its lease.") : t("It gives up its lease."),
    done > 3 ? t("{to} leads with epoch {epoch}.", {to: operation.new_primary, epoch: operation.epoch}) : epoch ? t("{to} takes the lease with epoch {epoch}.", {to, epoch}) : t("{to} takes the lease.", {to}),
    t("{from} stands by until an operator fails over again.", {from: old}),
  ];
  const seconds = operation.switched_at && (Date.parse(operation.switched_at) - Date.parse(operation.created_at)) / 1000;
  const title = {done: "{to} leads now", failed: "The failover did not happen", expired: "The failover did not happen"}[operation.state] ?? "{from} hands over to {to}";
  return [[t(title, {from: old, to})], h("div", {class: "panel-form", key: "run"},
    done >= 0 ? steps(texts.map((text, i) => [text, i < done ? "done" : i === done ? "now" : ""])) : h("div", {class: "cannot", id: "panel-steps", role: "alert"}, h("strong", null, icon("warning"), operation.error || operation.state)),
    // One line for screen readers: what was ticked last.
    h("p", {class: "hidden", role: "status", key: "said"}, done > 0 ? texts[Math.min(done, 4) - 1] : ""),
    seconds !== undefined && seconds !== "" && seconds !== null && h("p", {class: "third", key: "took"}, t("It took {seconds} s.", {seconds: seconds.toFixed(1)})),
    h("footer", {key: "footer"}, h("button", {
      class: `button ${done === 4 ? "main" : ""}`, key: "close", ref: (element) => element?.focus(),
      onclick: () => screen.closePanel(),
    }, done === 4 || done < 0 ? t("Close") : t("Go on in the background"))))];
}

function pausing(screen) {
  const {form} = screen, submit = (event) => {
    event.preventDefault();
    screen.pause(form);
  };
  return h("form", {class: "panel-form", key: "pause", onsubmit: submit},
    steps([[t("If the leader dies, no agent takes over by itself."), ""], [t("The leader goes on, and failing over from here still works."), ""], [t("Automatic takeover goes on by itself at the end."), ""]]),
    h("label", {class: "labelled", key: "hours"}, h("span", null, t("How long")),
      h("select", {class: "field", value: form.hours, onchange: (event) => { form.hours = event.target.value; update(); }},
        HOURS.map(([hours, label]) => h("option", {key: label, value: hours}, t(label))))),
    reason(form), refusal(screen),
    h("footer", {key: "footer"},
      h("button", {class: "button", type: "button", key: "cancel", ref: (element) => element?.focus(), onclick: () => screen.closePanel()}, t("Cancel")),
      h("button", {class: "button main", key: "go", "aria-disabled": screen.busy ? "true" : null}, t("Pause automatic takeover"))));
}
