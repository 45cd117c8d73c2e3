// What the state of the cluster means, in words. Nothing here draws or calls.

import {some, t} from "./i18n.js";

// Of the age at which a leader stops by itself: as long as a renewal may take, and when the lease is overdue.
const FRESH = 0.6, OVERDUE = 0.75;

// A sentence about one, or several.

// Everything below takes a view: {cluster, since}; `since`: seconds since the answer arrived, on this page's clock.
export const ageOf = ({cluster, since}) => (cluster.lease ? cluster.lease.age_seconds + since : 0);

export function leaseKind(view) {
  const age = ageOf(view), {stops_after_seconds: stops} = view.cluster.lease;
  return age < FRESH * stops ? "good" : age < stops ? "warning" : "error";
}

// Whether the leader has stopped renewing its lease, and the lease is not free yet.
export function isFrozen(view) {
  const {lease} = view.cluster;
  return isHeld(view) && ageOf(view) >= OVERDUE * lease.stops_after_seconds;
}

export const isHeld = (view) => view.cluster.lease?.state === "held" && ageOf(view) < view.cluster.lease.free_after_seconds;
export const elects = ({cluster}) => Boolean(cluster.lease) || !cluster.agents.some((agent) => agent.role === "primary");
export const agentNamed = ({cluster}, id) => cluster.agents.find((agent) => agent.agent_id === id);
export const leaderOf = (view) => (isHeld(view) ? agentNamed(view, view.cluster.lease.agent_id) : undefined);
export const leasedTo = ({cluster}) => cluster.lease?.agent_id;

// The agents that are not the leader, those that could take over first.
export function othersOf(view) {
  const rank = (agent) => (couldLead(agent) ? 0 : 1);
  return view.cluster.agents.filter((agent) => agent.agent_id !== leasedTo(view)).sort((a, b) => rank(a) - rank(b) || (a.takeover_seconds ?? 0) - (b.takeover_seconds ?? 0));
}

export const couldLead = (agent) => agent.eligible && agent.status === "standby";
export const successorOf = (view) => othersOf(view).find(couldLead);
export const whyNot = (agent) => agent.reasons.join("; ") || (agent.status === "down" ? t("it does not report") : t("it is not ready"));

// When the successor leads, if the leader stays as it is; null if none takes over by itself.
export function takeoverIn(view) {
  const next = successorOf(view);
  if (!next || view.cluster.paused) return null;
  const after = next.takeover_seconds ?? view.cluster.lease.free_after_seconds;
  return Math.max(0, Math.ceil(after - ageOf(view)));
}

// One sentence: {kind, text}.
export function verdict(view) {
  const {cluster} = view, leader = leaderOf(view), next = successorOf(view), others = othersOf(view);
  if (!cluster.agents.length) return {kind: "warning", text: t("No agent has reported yet. Start one on the NAS.")};
  if (!elects(view)) return ofPool(cluster);
  if (!leader) return ofNoLeader(view, next, others);
  const name = leader.agent_id;
  if (isFrozen(view)) return {kind: "error", text: t("{name} leads but does not work.", {name})};
  if (leader.status === "draining") return {kind: "warning", text: t("{name} finishes its clips, then hands over.", {name})};
  if (leader.reasons.length) return {kind: "warning", text: t("{name} leads, but: {reasons}.", {name, reasons: leader.reasons.join("; ")})};
  if (cluster.paused) return {kind: "warning", text: t("{name} works. Automatic takeover is paused: no agent would take over if it died.", {name})};
  if (!others.length) return {kind: "warning", text: t("{name} works. There is no other agent that could take over.", {name})};
  if (!next) return {kind: "warning", text: t("{name} works, but no agent could take over. {other}: {reasons}.", {name, other: others[0].agent_id, reasons: whyNot(others[0])})};
  return {kind: "good", text: t("Everything works. {next} would take over in about {seconds} s if {name} died.", {next: next.agent_id, name, seconds: Math.round(next.takeover_seconds ?? cluster.lease.free_after_seconds)})};
}

function ofPool(cluster) {
  const works = cluster.agents.filter((agent) => agent.status === "active"), bad = works.find((agent) => agent.reasons.length);
  if (!works.length) return {kind: "error", text: t("No agent works. New requests are taken and wait.")};
  if (bad) return {kind: "warning", text: t("{name} works, but: {reasons}.", {name: bad.agent_id, reasons: bad.reasons.join("; ")})};
  return {kind: "good", text: some(works.length, "Everything works. One agent cuts clips; none leads.", "Everything works. {count} agents cut clips; none leads.")};
}

function ofNoLeader(view, next, others) {
  if (!view.cluster.lease) return {kind: "warning", text: t("No agent has led yet.")};
  if (next && view.cluster.paused) return {kind: "error", text: t("No agent leads, and automatic takeover is paused. Resume it, or fail over to {next}.", {next: next.agent_id})};
  if (next) return {kind: "error", text: t("No agent leads. {next} takes over.", {next: next.agent_id})};
  if (!others.length) return {kind: "error", text: t("No agent leads. New requests are taken and wait.")};
  return {kind: "error", text: t("No agent leads, and none could. {other}: {reasons}.", {other: others[0].agent_id, reasons: whyNot(others[0])})};
}

// The role of an agent on its card: [kind of badge, word].
export function roleOf(view, agent) {
  const holds = leasedTo(view) === agent.agent_id;
  if (holds && isFrozen(view)) return ["error", t("Frozen")];
  if (agent.status === "down" || (holds && view.cluster.lease.state === "held" && !isHeld(view))) return ["error", t("Gone")];
  if (agent.status === "fenced") return ["error", t("Stopped itself")];
  if (agent.status === "draining") return ["warning", t("Hands over")];
  if (agent.status === "active") return ["accent", elects(view) ? t("Leads") : t("Works")];
  return [agent.eligible ? "good" : "warning", t("Stands by")];
}

// Whether an agent on this NAS encodes slower than that: the GPU's family that is missing there.
export function missingGpu(from, to) {
  const families = (agent) => new Set((agent?.encoders ?? []).map((name) => name.split("_")[1]).filter(Boolean));
  const there = families(to);
  return [...families(from)].find((family) => !there.has(family))?.toUpperCase();
}

// The steps of a failover: [text, …]. `fast`: clips are given back.
export function stepsOf(view, target, fast) {
  const {cluster} = view, from = leasedTo(view), leader = leaderOf(view), to = target.agent_id, epoch = cluster.epoch + 1;
  const running = agentNamed(view, from)?.in_flight ?? [], count = running.length, {waiting = 0} = cluster;
  const leads = waiting
    ? some(waiting, "{to} leads with epoch {epoch} a few seconds later and cuts the clip that waits. No clip is lost.", "{to} leads with epoch {epoch} a few seconds later and cuts the {count} clips that wait. No clip is lost.", {to, epoch})
    : t("{to} leads with epoch {epoch} a few seconds later. No clip is lost.", {to, epoch});
  const back = t("{from} stands by until an operator fails over again.", {from});
  if (!leader || isFrozen(view)) {
    const seconds = Math.max(0, Math.ceil((cluster.lease?.free_after_seconds ?? 0) - ageOf(view)));
    return [
      leader ? t("{from} does not answer: its lease is free in about {seconds} s.", {from, seconds}) : t("The lease of {from} is free.", {from}),
      count ? some(count, "The clip that {from} had in flight goes back.", "The {count} clips that {from} had in flight go back.", {from}) : t("{from} had no clip in flight.", {from}), leads,
      t("{from} stands by when it is back.", {from}),
    ];
  }
  const drain = Math.max(1, Math.round((cluster.failover_seconds?.graceful ?? 0) - (cluster.failover_seconds?.fast ?? 0)));
  let gives = t("No clip is in flight: it gives up its lease at once.");
  if (count && fast) gives = some(count, "It stops the clip in flight and gives it back. {to} cuts it again.", "It stops the {count} clips in flight and gives them back. {to} cuts them again.", {to});
  else if (count) gives = some(count, "It finishes the clip in flight, in about {seconds} s, then gives up its lease.", "It finishes the {count} clips in flight, in about {seconds} s, then gives up its lease.", {seconds: drain});
  return [t("{from} takes no new clips.", {from}), gives, leads, back];
}

// How many of the four steps are done, and which one is in progress.
export const STEPS_DONE = {pending: 0, draining: 1, released: 2, done: 4, failed: -1, expired: -1};
