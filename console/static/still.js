// Saves the frame that is shown as an image.

import {preview} from "./api.js";
import {t} from "./i18n.js";
import {toast} from "./state.js";
import {rateOf, timecode} from "./time.js";

export async function saveStill(recording, shown) {
  const rate = rateOf(recording);
  try {
    const response = await preview(`/${recording.id}/still.jpg`, {t: (shown + 0.5 / rate).toFixed(6), h: 2160});
    const url = URL.createObjectURL(await response.blob());
    const link = Object.assign(document.createElement("a"), {href: url});
    link.download = `${recording.name.replace(/\.\w+$/, "")} ${timecode(shown, rate).replaceAll(":", "-")}.jpg`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  } catch (error) {
    toast({kind: "error", title: t("The frame could not be saved"), text: error.message});
  }
}
