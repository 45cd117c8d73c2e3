// Which way previews come to the page, and what is in the way of its calls.

import {t} from "./i18n.js";
import {state} from "./state.js";
import {AGENT, API} from "./where.js";

const PROBE_MS = 5000;

// What the editor says of the way in use: {text, why}.
export function pathInUse({recording, player}) {
  if (recording.playable === "none") return {text: t("Not playable"), why: recording.reason};
  if (recording.playable === "audio") return {text: t("Audio only"), why: recording.reason};
  const proxy = recording.playable === "proxy" || player?.kind === "proxy";
  const way = API ? t("This page comes from the agent {agent}, which reads the recording itself.", {agent: AGENT})
    : t("This page comes from the API, which passes on what an agent reads.");
  const why = proxy ? `${t("Browsers do not play the original's codec.")} ${way}` : way;
  if (API) return {text: proxy ? t("Playing small copies, over the LAN") : t("Playing the original, over the LAN"), why};
  return {text: proxy ? t("Playing small copies, through the API") : t("Playing the original, through the API"), why};
}

// Why a call of the API got no answer: `origin` if something answers that does not let this page read it, `address` if
// nothing does. Browsers say neither.
export async function whyNot({unanswered}) {
  if (!API || !unanswered) return "";
  try {
    await fetch(`${API}/health`, {mode: "no-cors", credentials: "omit", cache: "no-store", signal: AbortSignal.timeout(PROBE_MS)});
    return "origin";
  } catch {
    return "address";
  }
}

// What the banner says while no events arrive.
export function trouble(seconds) {
  if (state.why === "origin") {
    return {
      title: t("{url} answers, but does not let this page call it.", {url: API}),
      text: t("If it is the API, add {origin} to its api.cors_origins and restart it.", {origin: location.origin}),
    };
  }
  const kept = seconds ? t("Your ranges are kept. Next try in {seconds} s.", {seconds}) : t("Your ranges are kept. Trying now.");
  if (state.why !== "address") return {title: t("The service does not answer."), text: kept};
  return {
    title: t("The service at {url} does not answer.", {url: API}),
    text: state.wasLive ? kept : t("Is it running, and is this its address? It is preview.api_url of the agent {agent}.", {agent: AGENT}),
  };
}
