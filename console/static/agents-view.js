// What the screen of the agents shows: the sentence above, a card for each agent, and how to get an admin key.

import {admin, enterAdminKey} from "./admin.js";
import {renderHistory} from "./agents-history.js";
import {renderPanel} from "./agents-panel.js";
import {
  ageOf, couldLead, elects, leasedTo, isFrozen, isHeld, leaderOf, leaseKind, othersOf, roleOf, successorOf, takeoverIn, verdict, whyNot,
} from "./agents-state.js";
import {badge, empty, stageOf, tryAgain} from "./controls.js";
import {h} from "./h.js";
import {icon} from "./icons.js";
import {date, number, some, t} from "./i18n.js";
import {state} from "./state.js";
import {span} from "./time.js";

export function renderAgents(screen) {
  const known = screen.cluster && !admin.need;
  return h("div", {class: "page agents", key: "agents"},
    h("header", {class: "top", key: "top"}, h("h1", null, t("Agents")), known ? said(screen) : h("span", {class: "spring"}), known && actions(screen)),
    // In a place of their own: what stands below keeps the focus when one goes.
    h("div", {class: "banners", key: "banners"}, known && banners(screen)),
    h("div", {class: "agents-body", key: "body"},
      h("div", {class: "scroll", key: "scroll"}, admin.need ? askForKey(screen) : known ? [cards(screen), renderHistory(screen)] : nothingYet(screen)),
      known && screen.panel && renderPanel(screen)));
}

function said(screen) {
  const old = screen.problem && {kind: "warning", text: t("Not known now: this is the state of {time}.", {time: clockOf(screen.problemAt)})};
  const {kind, text} = old || verdict(screen.view);
  return h("p", {class: `verdict ${kind}`, key: "verdict", title: text}, kind !== "good" && icon("warning"), h("span", null, text));
}

function actions(screen) {
  const {view} = screen, {cluster} = view;
  if (!elects(view)) return h("span", {class: "third", key: "cluster"}, t("Cluster"), " ", h("b", {translate: "no"}, cluster.cluster));
  const alone = cluster.agents.length < 2, open = (panel) => () => (screen.panel === panel ? screen.closePanel() : screen.openPanel(panel));
  return h("div", {class: "top-actions", key: "actions"},
    h("span", {class: "third cluster"}, t("Cluster"), " ", h("b", {translate: "no"}, cluster.cluster)),
    cluster.paused ? h("button", {class: "button", key: "resume", onclick: () => screen.resume()}, icon("play"), h("span", null, t("Resume automatic takeover")))
      : h("button", {class: "button", key: "pause", id: "open-pause", "aria-expanded": String(screen.panel === "pause"), onclick: open("pause")}, icon("pause"), h("span", null, t("Pause automatic takeover"))),
    h("button", {
      class: "button", key: "failover", id: "open-failover", "aria-expanded": String(screen.panel === "failover"), onclick: open("failover"), disabled: alone,
      title: alone ? t("There is no other agent.") : null,
    }, icon("swap"), h("span", null, t("Fail over…"))));
}

function banners(screen) {
  return [stale(screen), running(screen), trouble(screen), pausedBanner(screen)];
}

function banner(key, kind, name, title, text, action) {
  return h("div", {class: `banner ${kind}`, role: kind === "error" ? "alert" : "status", key}, icon(name),
    h("div", null, h("strong", null, title), " ", h("span", null, text)), h("span", {class: "spring"}), action);
}

const clockOf = (at) => new Date(at).toLocaleTimeString([], {hourCycle: "h23"});

function stale(screen) {
  const {problem, problemAt} = screen;
  // That the whole service is gone is said above every screen.
  if (!problem || (problem.status === 0 && !state.live)) return null;
  const again = h("button", {class: "button", onclick: () => screen.now()}, t("Try now"));
  const known = t("Last known state, {time}.", {time: clockOf(problemAt)});
  if (problem.code === "COORDINATION_UNAVAILABLE") {
    return banner("stale", "warning", "warning", t("The agents' state cannot be read."), `${t("New requests are taken and wait.")} ${known} (${problem.message})`, again);
  }
  return banner("stale", "warning", "warning", t("The service does not answer."), `${known} (${problem.message})`, again);
}

// A failover that goes on while its panel is closed.
function running(screen) {
  const {run, panel} = screen;
  if (!run || run.ended || panel === "failover") return null;
  const {old_primary: from, target: to, state: step} = run.operation;
  const left = screen.cluster.agents.find((agent) => agent.agent_id === from)?.in_flight?.length ?? 0;
  const text = step === "released" ? t("{to} takes the lease.", {to}) : left ? some(left, "One clip is left.", "{count} clips are left.") : t("It gives up its lease.");
  return banner("run", "accent", "swap", t("{from} hands over to {to}.", {from: from ?? "", to: to ?? ""}), text,
    h("button", {class: "button", onclick: () => screen.openPanel("failover")}, t("Show")));
}

function trouble(screen) {
  const {view} = screen, {cluster} = view;
  if (!elects(view) || !cluster.lease || (leaderOf(view) && !isFrozen(view)) || (screen.run && !screen.run.ended)) return null;
  const name = leasedTo(view), next = successorOf(view), seconds = takeoverIn(view), age = Math.floor(ageOf(view));
  const title = leaderOf(view) ? t("{name} leads but does not work", {name}) : t("No agent leads");
  const what = cluster.lease.state === "held" ? t("It has not renewed its lease for {age} s.", {age}) : t("{name} gave up its lease {age} s ago.", {name, age});
  let then = t("No agent could take over. New requests are taken and wait.");
  if (seconds > 0) then = t("{next} takes over in about {seconds} s.", {next: next.agent_id, seconds});
  else if (seconds === 0) then = t("{next} takes over any moment; after recent takeovers it waits for some minutes.", {next: next.agent_id});
  else if (next) then = t("Automatic takeover is paused: {next} does not take over by itself.", {next: next.agent_id});
  const act = next && [seconds !== null && h("span", {class: "third", key: "no-need"}, t("No need to act. To be faster:")),
    h("button", {class: "button", key: "now", onclick: () => screen.openPanel("failover")}, t("Fail over now"))];
  return banner("trouble", "error", "frozen", title, `${what} ${then}`, act);
}

function pausedBanner(screen) {
  const {pause, paused} = screen.cluster;
  if (!paused) return null;
  const until = pause.until ? t("Until {time}.", {time: date(pause.until)}) : t("Until it is resumed.");
  return banner("paused", "warning", "pause", t("Automatic takeover is paused."),
    [pause.reason && `“${pause.reason}”`, pause.paused_by && t("by {name}", {name: pause.paused_by}), until].filter(Boolean).join(", "),
    h("button", {class: "button", onclick: () => screen.resume()}, t("Resume")));
}

function cards(screen) {
  const {view} = screen, agents = [...view.cluster.agents];
  const first = agents.find((agent) => agent.agent_id === leasedTo(view));
  // The leader's card comes first, and they stay where they are while none leads.
  const order = first ? [first, ...othersOf(view).sort((a, b) => a.agent_id.localeCompare(b.agent_id))] : agents;
  if (!order.length) return empty("server", t("No agents yet"), t("An agent appears here as soon as it has started."));
  return h("div", {class: "agent-cards", key: "cards"}, order.map((agent) => card(screen, agent)));
}

function card(screen, agent) {
  const {view} = screen, [kind, word] = roleOf(view, agent), holds = leasedTo(view) === agent.agent_id;
  const since = agent.started_at && t("up {time}", {time: span((Date.now() - Date.parse(agent.started_at)) / 1000)});
  return h("section", {class: "agent", key: agent.agent_id, "data-agent": agent.agent_id, "aria-label": agent.agent_id},
    h("header", {key: "header"}, h("span", {class: `agent-icon ${holds ? "leads" : ""}`}, icon("server", 18)),
      h("div", null, h("h2", null, h("span", {translate: "no"}, agent.agent_id), badge(kind, word)),
        h("p", {class: "third"}, [agent.host, agent.version && t("version {version}", {version: agent.version}), agent.status !== "down" && since].filter(Boolean).join(", ")))),
    holds && view.cluster.lease.state === "held" ? lease(screen, agent) : readiness(screen, agent),
    inFlight(screen, agent, holds), encoders(agent));
}

const fact = (name, value, more, extra = "") => h("div", {class: `fact ${extra}`, key: name}, h("h3", null, t(name)), h("strong", null, value), more && h("p", {class: "third"}, more));

function doneFact(agent) {
  const failed = agent.failed_clips_24h;
  return fact("Done in 24 h", number(agent.completed_clips_24h), failed === undefined ? null : failed ? t("{count} failed", {count: number(failed)}) : t("none failed"));
}

function lease(screen, agent) {
  const {view} = screen, {lease: {free_after_seconds: free, stops_after_seconds: stops, acquired_at: since}, epoch} = view.cluster;
  const age = ageOf(view), kind = leaseKind(view), at = (seconds) => `${Math.min(100, (seconds / free) * 100)}%`;
  const whole = Math.floor(age), shown = whole > 3600 ? span(age) : `${whole} s`;
  return h("div", {class: "facts-row", key: "lease"},
    h("div", {class: "fact lease"}, h("h3", null, t("Lease renewed")), h("strong", null, t("{time} ago", {time: shown})),
      h("div", {class: `lease-bar ${kind}`, role: "meter", "aria-label": t("Age of the lease"), "aria-valuemin": 0, "aria-valuemax": free, "aria-valuenow": Math.min(free, whole), "aria-valuetext": shown},
        h("div", {style: {width: at(age)}}), h("i", {class: "stops", style: {left: at(stops)}}), h("i", {class: "free"})),
      h("div", {class: "lease-marks third"}, h("span", null, "0 s"), h("span", {class: "spring"}),
        h("span", null, t("{seconds} s, it stops", {seconds: stops})), h("span", null, t("{seconds} s, free", {seconds: free})))),
    fact("Epoch", number(epoch), since && t("since {time}", {time: shortTime(since)})), doneFact(agent));
}

export function shortTime(at) {
  const time = new Date(at), sameDay = Date.now() - time < 20 * 3_600_000;
  return sameDay ? time.toLocaleTimeString([], {hour: "2-digit", minute: "2-digit", hourCycle: "h23"}) : date(at);
}

function readiness(screen, agent) {
  const {view} = screen, able = couldLead(agent), next = successorOf(view), down = agent.status === "down";
  if (!elects(view)) return h("div", {class: "facts-row", key: "ready"}, fact("Works", able || agent.status === "active" ? t("Yes") : t("No"), agent.reasons.join("; ")), doneFact(agent));
  const seconds = agent.takeover_seconds !== undefined && t("it would lead about {seconds} s after the last renewal", {seconds: Math.round(agent.takeover_seconds)});
  const why = able ? [next === agent ? seconds : t("after {name}", {name: next.agent_id})] : agent.reasons;
  const seen = Math.max(0, Math.round((Date.now() - Date.parse(agent.last_heartbeat)) / 1000));
  return h("div", {class: "facts-row", key: "ready"},
    h("div", {class: `fact ready ${able ? "" : "not"}`, key: "able"}, h("h3", null, t("Could take over")), h("strong", null, able ? t("Yes, now") : t("No")),
      why.filter(Boolean).map((each, i) => h("p", {class: "third", key: i}, each || whyNot(agent)))),
    fact("Last report", t("{time} ago", {time: span(seen)}), down && t("It reports every 30 s.")), doneFact(agent));
}

function inFlight(screen, agent, holds) {
  const {view} = screen, clips = agent.in_flight, leads = holds && isHeld(view), {waiting} = view.cluster;
  const counts = clips && (clips.length > 0 || leads || !elects(view)) && [t("{count} running", {count: clips.length}), (leads || !elects(view)) && waiting !== undefined && t("{count} waiting", {count: waiting})].filter(Boolean).join(", ");
  const gone = holds && (!leads || isFrozen(view)), next = successorOf(view);
  let text = t("No clip is in flight.");
  if (!clips) text = t("Not known now: the database does not answer.");
  else if (!holds && elects(view)) text = t("A standby takes no clips.");
  return h("div", {class: "in-flight", key: "in-flight"}, h("div", {class: "part-head"}, h("h3", null, t("In flight")), h("span", {class: "third"}, counts)),
    clips?.length ? h("ul", null, clips.map((clip) => flying(clip, view, gone && next))) : h("p", {class: "quiet-text"}, text));
}

function flying(clip, view, next) {
  const percent = Math.round(clip.progress_percent), left = clip.seconds_left === undefined ? "" : t("{time} left", {time: span(Math.max(1, clip.seconds_left - view.since))});
  return h("li", {key: clip.request_id, "data-clip": clip.request_id}, h("strong", {translate: "no", title: clip.request_id}, clip.hand_id), h("span", {class: "doing"}, stageOf(clip)),
    h("div", {class: "bar", role: "progressbar", "aria-label": `${clip.hand_id}, ${stageOf(clip)}`, "aria-valuenow": percent, "aria-valuemin": 0, "aria-valuemax": 100}, h("div", {style: {width: `${percent}%`}})),
    h("span", {class: "percent"}, `${percent} %`), h("span", {class: "left third"}, next ? t("{name} cuts it again", {name: next.agent_id}) : left));
}

function encoders(agent) {
  const probe = agent.encoder_probe?.length ? agent.encoder_probe : agent.encoders.map((name) => ({name, usable: true}));
  const first = new Set(["h264", "x264", "hevc", "x265"].map((codec) => probe.find(({name, usable}) => usable && name.includes(codec))?.name));
  const best = probe.find(({usable}) => usable)?.name;
  const groups = new Map();
  for (const each of [...probe].sort((a, b) => b.usable - a.usable)) {
    // Those with one reason in one line.
    const key = each.usable ? each.name : each.reason;
    groups.set(key, {...each, names: [...(groups.get(key)?.names ?? []), each.name]});
  }
  const order = [...groups.values()];
  const word = ({name, usable, reason}) => (usable ? [name === best && first.has(name) ? t("Used first") : t("Ready"), reason].filter(Boolean).join(". ") : reason || t("It does not work."));
  return h("div", {class: "encoders", key: "encoders"}, h("h3", null, t("Encoders")),
    order.length ? h("ul", null, order.map((each) => h("li", {key: each.name, class: each.usable ? "" : "not"}, icon(each.usable ? "check" : "cross"),
      h("span", {translate: "no", class: "names"}, each.names.map((name) => h("span", {key: name}, name))), h("span", {class: "why-not"}, h("span", {class: "hidden"}, each.usable ? "" : `${t("Not used")}: `), word(each)))))
      : h("p", {class: "quiet-text"}, t("They have not been tried yet.")));
}

function nothingYet(screen) {
  if (screen.problem) return empty("warning", t("The agents cannot be shown now"), screen.problem.message, tryAgain(() => screen.now()));
  return h("div", {class: "agent-cards", "aria-label": t("Loading"), key: "loading"}, [0, 1].map((i) => h("div", {key: i, class: "agent blank"})));
}

const WHY_KEY = {
  admin: ["This screen needs an admin key", "Your key can request clips, but not see or change the agents. Enter an admin key too: it is used for this screen only, and kept until this tab is closed."],
  ended: ["Enter an admin key again", "The admin key was changed or has ended. Your own key still works."],
  client: ["Enter an admin key", "That key is not an admin's. Your own key still works."],
};

function askForKey(screen) {
  const [title, text] = WHY_KEY[admin.need];
  const submit = (event) => {
    event.preventDefault();
    const key = event.target.elements["admin-key"].value.trim();
    if (!key) return;
    enterAdminKey(key);
    screen.now();
  };
  return h("form", {class: "empty ask-key", key: `ask-${admin.need}`, onsubmit: submit, "aria-labelledby": "ask-key-title"}, icon("lock", 24), h("strong", {id: "ask-key-title"}, t(title)), h("p", {role: admin.need === "admin" ? null : "alert"}, t(text)),
    h("label", {class: "labelled"}, h("span", null, t("Admin key")), h("input", {
      class: "field", name: "admin-key", type: "password", autocomplete: "off", spellcheck: "false", ref: (element) => element?.focus(),
    })),
    h("button", {class: "button main"}, t("Continue")),
    h("p", {class: "third"}, t("clipping up prints it as admin_key; on a server it is a key with role admin in api.keys.")));
}
