// The agents: who leads, who could, what is in flight, and failing over.

import {admin, adminGet, adminPost, forgetAdmin} from "./admin.js";
import {leasedTo, successorOf} from "./agents-state.js";
import {renderAgents} from "./agents-view.js";
import {t} from "./i18n.js";
import {OF_ADMIN, randomId, state, toast, update} from "./state.js";

const EVERY_MS = 2000, FOLLOW_MS = 700, HIDDEN_MS = 15_000, TICK_MS = 1000, HISTORY_MS = 60_000, RETRY_MS = 4000;
const KEPT = OF_ADMIN.failover;

export class Agents {
  constructor() {
    // `cluster`: the last answer; `at`: when it arrived, on this page's clock; `problem`: why there is no newer one.
    Object.assign(this, {cluster: null, at: 0, problem: null, problemAt: 0, history: null, historyProblem: "", days: 10, shown: 20});
    // `panel`: null, "failover" or "pause"; `form`: what is entered in it; `run`: {operation, mode, done} of a failover.
    Object.assign(this, {panel: null, form: {}, run: null, busy: false, refusal: ""});
  }

  open() {
    if (this.controller) return;
    this.controller = new AbortController();
    this.ticking = setInterval(update, TICK_MS);
    const kept = sessionStorage.getItem(KEPT);
    if (kept && !this.run) this.follow({operation_id: kept, state: "pending"});
    this.poll(this.controller.signal);
    document.addEventListener("visibilitychange", this.look = () => !document.hidden && this.now());
  }

  close() {
    this.controller?.abort();
    this.controller = null;
    clearInterval(this.ticking);
    clearTimeout(this.timer);
    document.removeEventListener("visibilitychange", this.look);
  }

  restart() {
    forgetAdmin();
    sessionStorage.removeItem(KEPT);
    Object.assign(this, {cluster: null, problem: null, problemAt: 0, history: null, historyProblem: "", panel: null, run: null, refusal: "", led: null});
    this.now();
  }

  get view() {
    return {cluster: this.cluster, since: (performance.now() - this.at) / 1000};
  }

  // Read at once.
  now() {
    if (!this.controller) return;
    clearTimeout(this.timer);
    this.poll(this.controller.signal);
  }

  async poll(signal) {
    clearTimeout(this.timer);
    if (state.key && !state.refused && !admin.need) await this.read(signal);
    if (signal.aborted) return;
    const ms = document.hidden ? HIDDEN_MS : this.problem ? RETRY_MS : this.run && !this.run.ended ? FOLLOW_MS : EVERY_MS;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.poll(signal), ms);
  }

  async read(signal) {
    const asked = performance.now();
    try {
      if (this.run && !this.run.ended) await this.readRun(signal);
      const cluster = await adminGet("/v1/admin/agents", {signal, repeatable: false});
      // The answer is as old as half of its way.
      Object.assign(this, {cluster, at: (asked + performance.now()) / 2, problem: null, problemAt: 0});
      const led = `${cluster.epoch} ${cluster.leader}`;
      if (led !== this.led || performance.now() - this.historyAt > this.historyEvery || this.historyProblem) await this.readHistory(signal);
      this.led = led;
    } catch (error) {
      if (signal.aborted || error.code === "KEY_CHANGED") return;
      this.problem = error;
      this.problemAt ||= Date.now();
    }
    update();
  }

  async readHistory(signal) {
    const {days} = this;
    this.historyAt = performance.now();
    try {
      const history = await adminGet(`/v1/admin/takeovers?days=${days}`, {signal, repeatable: false});
      if (days === this.days) Object.assign(this, {history: {...history, days}, historyProblem: ""});
    } catch (error) {
      if (!signal.aborted) this.historyProblem = error.message;
    }
    update();
  }

  // What went on after a takeover is counted in the minutes after it.
  get historyEvery() {
    const newest = this.history?.takeovers[0];
    return newest && Date.now() - Date.parse(newest.at) < 5 * HISTORY_MS ? HISTORY_MS / 6 : HISTORY_MS;
  }

  chooseDays(days) {
    Object.assign(this, {days, shown: 20});
    if (this.controller) this.readHistory(this.controller.signal);
    update();
  }

  // Opens a panel; the focus goes back to its button when it is closed.
  openPanel(panel) {
    Object.assign(this, {panel, refusal: "", form: panel === "failover" ? {fast: false, reason: "", target: null} : {reason: "", hours: "1"}});
    if (panel === "failover" && this.run?.ended) this.run = null;
    update();
  }

  closePanel() {
    const {panel} = this;
    Object.assign(this, {panel: null, refusal: ""});
    update();
    setTimeout(() => document.getElementById(`open-${panel}`)?.focus());
  }

  get target() {
    const {agents} = this.cluster, chosen = agents.find((agent) => agent.agent_id === this.form.target);
    return chosen ?? successorOf(this.view) ?? agents.find((agent) => agent.agent_id !== leasedTo(this.view));
  }

  async failOver(target, {fast, reason}) {
    if (this.busy) return;
    Object.assign(this, {busy: true, refusal: ""});
    update();
    const body = {direction: "to", mode: fast ? "fast" : "graceful", reason: reason.trim(), wait_seconds: 0};
    // The same order once more, after an answer that was lost, is no second failover.
    const order = JSON.stringify([target, body]);
    if (this.order?.text !== order) this.order = {text: order, key: `console-${randomId()}`};
    try {
      const operation = await adminPost(`/v1/admin/agents/${encodeURIComponent(target)}/failover`, body, {key: this.order.key});
      this.order = null;
      this.follow(operation);
    } catch (error) {
      if (error.status) this.order = null;
      this.refusal = error.message;
    }
    this.busy = false;
    this.now();
    update();
  }

  // `asked`: what the steps said when it began, as the cluster is another one afterwards.
  follow(operation) {
    const steps = this.cluster ? {from: leasedTo(this.view), epoch: this.cluster.epoch + 1} : {};
    this.run = {operation, ended: false, ...steps};
    sessionStorage.setItem(KEPT, operation.operation_id);
    this.take(operation);
  }

  async readRun(signal) {
    const {operation_id: id} = this.run.operation;
    try {
      this.take(await adminGet(`/v1/admin/failovers/${id}`, {signal, repeatable: false}));
    } catch (error) {
      if (error.status !== 404) throw error;
      Object.assign(this, {run: null});
      sessionStorage.removeItem(KEPT);
    }
  }

  take(operation) {
    // Two readings may have been on their way, and the first one has brought the end.
    if (!this.run) return;
    this.run.operation = operation;
    const ended = ["done", "failed", "expired"].includes(operation.state);
    if (!ended || this.run.ended) return;
    this.run.ended = true;
    sessionStorage.removeItem(KEPT);
    if (this.panel === "failover") return;
    if (operation.state === "done") toast({title: t("{name} leads now", {name: operation.new_primary}), text: t("Epoch {epoch}", {epoch: operation.epoch})});
    else toast({kind: "error", title: t("The failover did not happen"), text: operation.error});
    this.run = null;
  }

  async pause({reason, hours}) {
    if (this.busy) return;
    const until = hours ? {until: new Date(Date.now() + Number(hours) * 3_600_000).toISOString()} : {};
    await this.change("/v1/admin/pause", {reason: reason.trim(), ...until});
    if (!this.refusal) this.closePanel();
  }

  async resume() {
    await this.change("/v1/admin/resume", {});
    if (this.refusal) toast({kind: "error", title: t("Automatic takeover is still paused"), text: this.refusal});
  }

  async change(path, body) {
    if (this.busy) return;
    Object.assign(this, {busy: true, refusal: ""});
    update();
    try {
      const {paused, pause} = await adminPost(path, body, {repeatable: true});
      this.cluster = {...this.cluster, paused, pause};
    } catch (error) {
      this.refusal = error.message;
    }
    this.busy = false;
    this.now();
    update();
  }

  render() {
    return renderAgents(this);
  }
}
