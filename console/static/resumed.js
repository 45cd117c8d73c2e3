// Whether a long encode goes on where an earlier attempt was interrupted, and from where.

import {watch} from "./events.js";
import {t} from "./i18n.js";

const known = new Map(); // of those in progress: {count, percent}

const finished = ({checkpoint}) => (checkpoint?.total ? Math.floor(checkpoint.frame / checkpoint.total * 100) : null);

watch((clip, ended) => {
  const {request_id: id, resumed_count: count = 0} = clip, before = known.get(id);
  if (ended || clip.status !== "processing") known.delete(id);
  else if (!before || count > before.count) known.set(id, {count, percent: before ? finished(clip) : null});
});

// Later the finished part has grown: then it is not known from where it went on.
export function resumedNote(clip) {
  if (clip.status !== "processing" || !clip.resumed_count) return null;
  const from = known.get(clip.request_id)?.percent ?? null, kept = finished(clip);
  if (from !== null) return t("resumed from {percent} %", {percent: from});
  return kept === null ? t("resumed") : t("resumed, {percent} % kept", {percent: kept});
}
