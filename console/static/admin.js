// Calls of the admin routes: with the session's key if that is an admin's, else with one that is entered for them.

import {get, post} from "./api.js";
import {OF_ADMIN, refuseKey, state, update} from "./state.js";

const KEPT = OF_ADMIN.key;

// `need`: why a key has to be entered: "" (none), "admin" (the session's is a client's), "ended" or "client" (the one
// that was entered).
export const admin = {own: sessionStorage.getItem(KEPT) || "", need: ""};

const who = {
  get key() { return admin.own || state.key; },
  refused(message) {
    if (admin.own) ask("ended");
    else refuseKey(message);
  },
};

export const adminGet = (path, options) => asked(() => get(path, {...options, who}));
export const adminPost = (path, body, options) => asked(() => post(path, body, {...options, who}));

export function enterAdminKey(key) {
  Object.assign(admin, {own: key, need: ""});
  sessionStorage.setItem(KEPT, key);
  update();
}

// After another key for the session was entered: perhaps by someone else.
export function forgetAdmin() {
  Object.assign(admin, {own: "", need: ""});
  sessionStorage.removeItem(KEPT);
}

async function asked(call) {
  try {
    return await call();
  } catch (error) {
    if (error.status === 403) ask(admin.own ? "client" : "admin");
    throw error;
  }
}

function ask(need) {
  Object.assign(admin, {own: "", need});
  sessionStorage.removeItem(KEPT);
  update();
}
