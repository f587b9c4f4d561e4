// Uses the types that openapi-typescript makes, by openapi-fetch. What does not fit them does not compile.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

const [origin, key, photo] = process.argv.slice(2) as [string, string, string];
const client = createClient<paths>({ baseUrl: origin, headers: { authorization: `Bearer ${key}` } });
const nobody = createClient<paths>({ baseUrl: origin });

async function upload(): Promise<string> {
  const data = (await readFile(photo)).toString("base64");
  const { data: image, error } = await client.POST("/image", { params: { query: { min_confidence: 30 } }, body: { data } });
  assert(image, JSON.stringify(error));
  return image.id;
}

async function uploadForm(): Promise<void> {
  const form = new FormData();
  form.append("file", new Blob([await readFile(photo)]), "photo.jpg");
  const { response } = await client.POST("/image", { body: { file: "" }, bodySerializer: () => form });
  assert.equal(response.status, 200);
}

async function edit(id: string): Promise<void> {
  const { data: edited } = await client.PATCH("/image/{id}/tags", { params: { path: { id } }, body: { add: ["tabby"] } });
  assert(edited?.tags.some((tag) => tag.tag === "tabby" && tag.source === "person"));
  const { data: found } = await client.GET("/images", { params: { query: { q: "tabby -dog", info: true } } });
  assert.deepEqual(found?.map((image) => image.id), [id]);
}

async function job(): Promise<void> {
  const body = { kind: "edit", filter: { tags: "tabby" }, add: ["pet"], expected: 1 } satisfies components["schemas"]["NewJob"];
  const { data: created, error } = await client.POST("/jobs", { body });
  assert(created, JSON.stringify(error));
  const path = { params: { path: { id: created.id } } };
  let made: components["schemas"]["Job"] = created;
  while (made.state === "queued" || made.state === "running") {
    await setTimeout(100);
    const { data: now } = await client.GET("/jobs/{id}", path);
    assert(now);
    made = now;
  }
  assert.equal(made.state, "done");
}

async function remove(id: string): Promise<void> {
  const path = { params: { path: { id } } };
  const { error } = await nobody.DELETE("/image/{id}", path);
  assert.equal(error?.code, "unauthenticated");
  assert.equal((await client.DELETE("/image/{id}", path)).response.status, 204);
  assert.equal((await client.GET("/image/{id}", path)).error?.code, "image-not-found");
}

const id = await upload();
await uploadForm();
await edit(id);
await job();
await remove(id);
console.log("the TypeScript client works");
