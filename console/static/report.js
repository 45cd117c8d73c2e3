// What was cut, in plain language: first what differs from what was requested.

import {asked, canRetry, copyLink, isGone, isHere, linkEnds, saveClip} from "./clips.js";
import {codecName} from "./editor-view.js";
import {hasEnded} from "./events.js";
import {h} from "./h.js";
import {icon} from "./icons.js";
import {date, number, t} from "./i18n.js";
import {EXACT} from "./plan.js";
import {contactSheet} from "./sheet.js";
import {bytes, timecode} from "./time.js";

// Sentences: {strong, text} and plain ones.
export function sentences(clip) {
  const {report, error} = clip, said = [];
  if (error) return [{strong: clip.status === "cancelled" ? t("Cancelled.") : t("No clip was made."), text: error.message}];
  if (clip.status === "cancelled") return [{strong: t("Cancelled."), text: ""}];
  if (!report) return [{strong: t("Not cut yet."), text: clip.last_error ? t("It is tried again: {reason}", {reason: clip.last_error.message}) : ""}];
  const fps = report.video.fps || 25, lead = report.keyframe_lead_seconds, late = report.actual.end - report.requested.end;
  const endsLate = report.mode === "copy" && late > 1 / fps - EXACT;
  if (clip.kind === "reel") said.push({strong: t("A reel of {count} parts.", {count: report.parts?.length ?? 0}), text: ""});
  else if (lead > EXACT || endsLate) {
    if (lead > EXACT) said.push({
      strong: t("It starts {seconds} s earlier than requested.", {seconds: lead.toFixed(2)}),
      text: t("A copied clip has to start at a keyframe, and the one before the in-point is at {time}.", {time: timecode(report.actual.start, fps)}),
    });
    if (endsLate) said.push({strong: t("It ends {seconds} s later than requested.", {seconds: late.toFixed(2)}), text: t("The last frames of a copied clip may need frames that follow them.")});
  } else if (Math.max(Math.abs(report.actual.start - report.requested.start), Math.abs(late)) > 1.5 / fps) {
    said.push({strong: t("It is not exactly what was requested."), text: t("It is from {from} to {to}.", {from: timecode(report.actual.start, fps), to: timecode(report.actual.end, fps)})});
  } else said.push({strong: t("Cut exactly where you requested."), text: ""});
  const audio = [...new Set(report.audio.map((each) => codecName(each.codec)))].join(", ");
  const what = audio ? t("{frames} frames of {video} with {audio} audio", {frames: number(report.frames), video: codecName(report.video.codec), audio})
    : t("{frames} frames of {video} without audio", {frames: number(report.frames), video: codecName(report.video.codec)});
  const size = [clip.duration_seconds !== undefined && `${clip.duration_seconds.toFixed(2)} s`, clip.file_size_bytes && bytes(clip.file_size_bytes)].filter(Boolean).join(", ");
  const cost = report.reencoded_seconds > 0.0005
    ? t("{seconds} s were re-encoded{with}", {seconds: report.reencoded_seconds.toFixed(2), with: report.encoder ? ` (${report.encoder})` : ""}) : t("Nothing was re-encoded");
  said.push({strong: "", text: `${cost}: ${what}, ${size}.`});
  for (const stream of report.dropped_streams) said.push({strong: "", text: t("Stream {index} ({codec}) was left out: {reason}.", stream)});
  for (const warning of report.warnings) said.push({strong: "", text: warning, warning: true});
  return said;
}

export function renderReport(screen, clip) {
  const {id, recording} = asked(clip), here = isHere(clip.download_url);
  const fact = (name, value) => value && h("div", {key: name}, h("dt", null, t(name)), h("dd", {translate: "no"}, value));
  const own = clip.metadata || {};
  return [
    here && !isGone(clip) && h("div", {class: "watch", key: "watch"}, h("video", {key: "video", controls: true, preload: "metadata", src: clip.download_url, "aria-label": clip.hand_id, poster: isHere(clip.poster_url) ? clip.poster_url : null}),
      isHere(clip.contact_sheet_url) && clip.report && contactSheet(clip)),
    h("div", {class: "said", key: "said"}, h("h3", null, t("What was cut")),
      sentences(clip).map(({strong, text, warning}, i) => h("p", {key: i, class: warning ? "warning-text" : ""}, warning && icon("warning"), strong && h("strong", null, strong), strong && text && " ", text)),
      clip.status === "completed" && [
        h("h3", {key: "verified"}, t("Verified before you were notified")),
        h("ul", {class: "verified", key: "list"}, ["Size and SHA-256", "Length and frame count", "First frame at 0", "First and last second decode"].map((each) => h("li", {key: each}, icon("check"), t(each)))),
      ],
      Object.keys(own).length > 0 && [h("h3", {key: "metadata"}, t("Metadata")),
        h("dl", {class: "facts-list", key: "own"}, Object.entries(own).map(([name, value]) => h("div", {key: name}, h("dt", {translate: "no"}, name), h("dd", {translate: "no"}, value))))]),
    h("div", {class: "deeds", key: "deeds"},
      clip.status === "completed" && !isGone(clip) && h("div", {class: "requests"},
        h("button", {class: "button main", onclick: () => saveClip(clip)}, icon("download"), t("Download")),
        h("button", {class: "button square", "aria-label": t("Copy the link"), title: t("Copy the link"), onclick: () => copyLink(clip)}, icon("link"))),
      canRetry(clip) && h("button", {class: "button", onclick: () => screen.retry([clip])}, icon("retry"), t("Request it again")),
      id && h("a", {class: "button", href: `#/editor/${id}?t=${asked(clip).from ?? 0}`}, icon("scissors"), t("Open in editor")),
      h("dl", {class: "facts-list"},
        clip.status === "completed" && h("div", {key: "link"}, h("dt", null, t("Link ends in")), h("dd", null, linkEnds(clip))),
        fact("Clip is kept until", clip.expires_at && date(clip.expires_at)),
        fact("Cut by", clip.agent_id && [clip.agent_id, clip.attempt > 1 && t("attempt {number}", {number: clip.attempt})].filter(Boolean).join(", ")),
        fact("Requested", date(clip.created_at)),
        fact("Recording", recording), fact("SHA-256", clip.sha256), fact("Request", clip.request_id),
        hasEnded(clip) && fact("Retried as", clip.retried_as))),
  ];
}
