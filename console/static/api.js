// Calls of the API with the key, and of previews with a token, from where the page comes from; retried while there is
// no answer.

import {t} from "./i18n.js";
import {refuseKey, state} from "./state.js";
import {AGENT, API} from "./where.js";

const TRIES = 5, TIMEOUT_MS = 30_000, LONGEST_WAIT_MS = 8_000;
const TOKEN_MARGIN_MS = 60_000;

export class ApiError extends Error {
  constructor(status, error) {
    super(error.message);
    this.status = status;
    this.code = error.code;
    this.field = error.field;
    this.details = error.details;
  }
}

// Whether another try would end the same way.
export const isFinal = ({status}) => status >= 400 && status < 500 && status !== 429;

export const get = async (path, options) => (await call("GET", path, options)).json();

export async function post(path, body, {key, ...options} = {}) {
  const headers = key ? {"Idempotency-Key": key} : {};
  const response = await call("POST", path, {...options, body, headers, repeatable: Boolean(key) || options.repeatable});
  return response.json();
}

// Whose key is sent: the session's, unless `who` is given.
const session = {get key() { return state.key; }, refused: refuseKey};

async function call(method, path, {body, headers = {}, signal, repeatable = method === "GET", who = session} = {}) {
  const {key} = who, send = {...headers, Authorization: `Bearer ${key}`};
  if (body !== undefined) send["Content-Type"] = "application/json";
  const sent = body === undefined ? undefined : JSON.stringify(body);
  return retried(() => request(API + path, {method, headers: send, body: sent, signal}, {who, key}), repeatable ? TRIES : 1, signal);
}

let token = null;

// A call below /preview/v1/recordings: a response.
export async function preview(path, parameters = {}, {signal} = {}) {
  const query = new URLSearchParams(parameters).toString();
  return withToken(`/preview/v1/recordings${path}${query && "?"}${query}`, {signal});
}

// What a request would result in.
export async function plan(body, {signal} = {}) {
  // From the agent's index where the agent is at hand: an API elsewhere may not reach it.
  if (!API) return post("/v1/clip/plan", body, {signal, repeatable: true});
  const sent = {method: "POST", body: JSON.stringify(body), headers: {"Content-Type": "application/json"}, signal};
  return (await withToken("/preview/v1/plan", sent)).json();
}

function withToken(url, {headers = {}, ...options}) {
  const {signal} = options;
  const attempt = async () => request(url, {...options, headers: {...headers, Authorization: `Bearer ${await previewToken(signal)}`}});
  return retried(async () => {
    try {
      return await attempt();
    } catch (error) {
      if (error.status !== 401) throw error;
      token = null; // ended or of another key: once more with a new one
      return attempt();
    }
  }, TRIES, signal);
}

async function previewToken(signal) {
  if (!token || token.key !== state.key || token.until < Date.now()) {
    const issued = await post("/v1/previews/token", undefined, {signal, repeatable: true});
    token = {key: state.key, value: issued.token, until: Date.parse(issued.expires_at) - TOKEN_MARGIN_MS};
  }
  return token.value;
}

// `who`: whose `key` is sent; none with the token of a preview.
async function request(url, options, {who, key} = {}) {
  const changed = () => who && key !== who.key;
  if (changed()) throw otherKey();
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
  let response;
  try {
    response = await fetch(url, {...options, signal, credentials: "omit", cache: "no-store"});
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ApiError(0, {code: "NO_ANSWER", message: url.startsWith("/") && AGENT ? `the agent ${AGENT} does not answer` : "the service does not answer"});
  }
  // An answer is not for those who entered another key meanwhile.
  if (changed()) throw otherKey();
  if (response.ok) return response;
  const error = await problem(response);
  if (response.status === 401 && who && !changed()) who.refused(error.message);
  error.retryAfter = Number(response.headers.get("Retry-After")) || 0;
  throw error;
}

const otherKey = () => new ApiError(409, {code: "KEY_CHANGED", message: t("The key was changed meanwhile.")});

async function problem(response) {
  try {
    const {error} = await response.json();
    return new ApiError(response.status, error);
  } catch {
    return new ApiError(response.status, {code: "NO_ANSWER", message: `the service answered ${response.status}`});
  }
}

async function retried(attempt, tries, signal) {
  for (let count = 1; ; count++) {
    try {
      return await attempt();
    } catch (error) {
      const transient = error instanceof ApiError && [0, 429, 502, 503, 504].includes(error.status) && error.code !== "QUOTA_EXCEEDED";
      if (!transient || count >= tries) throw error;
      await wait(Math.min(LONGEST_WAIT_MS, Math.max(error.retryAfter * 1000 || 0, 250 * 2 ** count)), signal);
    }
  }
}

export function wait(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, {once: true});
  });
}
