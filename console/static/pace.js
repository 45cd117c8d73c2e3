// About how long clips that are in progress still take, from how fast they went on so far.

import {watch} from "./events.js";
import {t} from "./i18n.js";
import {hours} from "./time.js";

const SOONEST_MS = 3000, LEAST_PERCENT = 3; // less says nothing of the pace
const known = new Map(); // of those in progress: {agent, percent, at} when first seen, {newest, seen} last

watch(({request_id: id, status, agent_id: agent, progress_percent: percent = 0}, ended) => {
  const before = known.get(id), seen = Date.now();
  if (ended || status !== "processing") known.delete(id);
  else if (before?.agent === agent && percent >= before.newest) Object.assign(before, {newest: percent, seen});
  else known.set(id, {agent, percent, at: seen, newest: percent, seen}); // another attempt has another pace
});

// `about 14 s left`; null while that is not known.
export function timeLeft({request_id: id}) {
  const pace = known.get(id);
  if (!pace) return null;
  const gained = pace.newest - pace.percent, took = pace.seen - pace.at;
  if (gained < LEAST_PERCENT || took < SOONEST_MS) return null;
  const left = (100 - pace.newest) / gained * took - (Date.now() - pace.seen);
  return left > 0 ? t("about {time} left", {time: hours(left / 1000)}) : null;
}
