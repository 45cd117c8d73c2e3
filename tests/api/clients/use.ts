// Uses the generated TypeScript types. Arguments: the service's URL, a key and the path of a recording.
import createClient from "openapi-fetch";
import type { components, paths } from "./generated";

declare const process: { argv: string[] };
const [url, key, recording] = process.argv.slice(2) as [string, string, string];
const client = createClient<paths>({ baseUrl: url, headers: { Authorization: `Bearer ${key}` } });

const clip: components["schemas"]["ClipRequest"] = {
  hand_id: "generated-1",
  nas_video_path: recording,
  start_seconds: 1,
  end_seconds: "0:31",
};

function good<T>(answer: { data?: T; error?: unknown }): T {
  if (answer.data === undefined) throw new Error(JSON.stringify(answer.error));
  return answer.data;
}

const accepted = good(await client.POST("/v1/clip/request", { body: clip }));
const batch = good(
  await client.POST("/v1/clip/batch", {
    body: {
      clips: [
        { ...clip, hand_id: "generated-2", client_item_id: "a" },
        { ...clip, hand_id: "generated-3", end_seconds: 0, client_item_id: "b" },
      ],
    },
  }),
);
const status = good(
  await client.GET("/v1/clip/{request_id}/status", { params: { path: { request_id: accepted.request_id } } }),
);
const period: components["schemas"]["Period"] = "7d";
const stats = good(await client.GET("/v1/stats", { params: { query: { period } } }));
console.log(JSON.stringify([accepted, batch, status, stats]));
