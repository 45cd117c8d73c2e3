"use strict";
// What the pages of the benchmarks share: they have one <video> and one <canvas>.
const video = document.querySelector("video");
const canvas = document.querySelector("canvas");

// Resolves with one of the events of a target; rejects on a video error or a timeout.
function event(target, names, seconds) {
  return new Promise((resolve, reject) => {
    const done = (settle, value) => {
      clearTimeout(timer);
      for (const name of names) target.removeEventListener(name, good);
      video.removeEventListener("error", bad);
      settle(value);
    };
    const good = (e) => done(resolve, e.type);
    const bad = () => done(reject, `${video.error.code}: ${video.error.message}`);
    const timer = setTimeout(() => done(reject, `no ${names.join(" or ")} in ${seconds} s`), seconds * 1000);
    for (const name of names) target.addEventListener(name, good);
    video.addEventListener("error", bad);
  });
}

// The brightness along the strip at the frame's top, from left to right.
function strip() {
  const width = canvas.width = video.videoWidth, height = canvas.height = video.videoHeight;
  if (!width) return null;
  const context = canvas.getContext("2d", {willReadFrequently: true});
  context.drawImage(video, 0, 0);
  const data = context.getImageData(0, Math.floor(height / 20), width, 1).data;
  const row = [];
  for (let i = 0; i < data.length; i += 4) {
    row.push(Math.round(0.2126 * data[i] + 0.7152 * data[i + 1] + 0.0722 * data[i + 2]));
  }
  return row;
}
