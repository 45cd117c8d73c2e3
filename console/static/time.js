// Times of a recording in seconds, and how they are written: `03:24:15:05` is the sixth frame of a second.

const two = (number) => String(number).padStart(2, "0");

// Seconds of the n-th frame's start, counted from the first one that is shown.
export const frameTime = (recording, n) => (recording.start || 0) + n / rateOf(recording);
export const frameAt = (recording, t) => Math.round((t - (recording.start || 0)) * rateOf(recording)) || 0; // never -0
export const rateOf = (recording) => recording.fps || 25;
// Of the frame that is shown at a time.
export const frameUnder = (recording, t) => Math.floor((t - (recording.start || 0)) * rateOf(recording) + 0.01);

export function timecode(t, fps = 25) {
  const {hours, minutes, seconds, frames} = parts(t, fps);
  return `${two(hours)}:${two(minutes)}:${two(seconds)}:${two(frames)}`;
}

// Without what is zero in front: `3:24:15`.
export function clock(t) {
  const {hours, minutes, seconds} = parts(t, 1000);
  return hours ? `${hours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`;
}

function parts(t, fps) {
  const nominal = Math.round(fps);
  let whole = Math.floor(t + 1e-6);
  let frames = Math.round((t - whole) * fps);
  if (frames >= nominal) [whole, frames] = [whole + 1, 0];
  return {hours: Math.floor(whole / 3600), minutes: Math.floor(whole / 60) % 60, seconds: whole % 60, frames};
}

// A length: `50.0 s` below a minute, else `2:21.4`.
export function length(seconds) {
  const tenths = Math.round(seconds * 10);
  if (tenths < 600) return `${(tenths / 10).toFixed(1)} s`;
  const rest = (tenths % 600) / 10;
  const minutes = Math.floor(tenths / 600);
  const tail = rest.toFixed(1).padStart(4, "0");
  return minutes < 60 ? `${minutes}:${tail}` : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${tail}`;
}

// A time that was typed: timecode, clock or seconds. NaN if it is none.
export function parseTime(text, fps) {
  const given = text.trim().replace(",", ".");
  if (/^\d+(\.\d+)?$/.test(given)) return Number(given);
  if (!/^\d{1,3}(:\d{1,2}){1,3}(\.\d+)?$/.test(given)) return NaN;
  const numbers = given.split(":").map(Number);
  const frames = numbers.length === 4 ? numbers.pop() / fps : 0;
  return numbers.reduce((sum, number) => sum * 60 + number, 0) + frames;
}

// As a request takes it: services compare it with the frames' times, but for half a tick of the recording's.
export const requested = (t) => Math.round(t * 1e6) / 1e6;

export function bytes(count) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  while (count >= 1000 && at < units.length - 1) [count, at] = [count / 1000, at + 1];
  return `${at > 1 && count < 100 ? count.toFixed(1) : Math.round(count)} ${units[at]}`;
}

// How long until a time: `6 d 21 h`, `3 h 12 min`, `14 s`.
export function span(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s >= 86400) return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
  if (s >= 3600) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return s >= 60 ? `${Math.floor(s / 60)} min` : `${s} s`;
}

// How long something is kept: `21:14:08` below a day, else `6 d 21 h`.
export function countdown(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  return s >= 86400 ? span(s) : `${two(Math.floor(s / 3600))}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

// Rounded up, for what one waits for: `5 h`, `12 min`, `40 s`.
export function hours(seconds) {
  const s = Math.max(0, Math.ceil(seconds));
  return s > 5400 ? `${Math.ceil(s / 3600)} h` : s > 90 ? `${Math.ceil(s / 60)} min` : `${s} s`;
}
