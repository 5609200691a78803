// Makes calls under Vercel's AI SDK and its own OpenTelemetry integration; run in the folder that has its packages.
//
// usage: node traffic.mjs KIND SIMULATOR_URL RECEIVER_URL     KIND: otel, or legacy for the spans of older releases
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [kind, simulator, receiver] = process.argv.slice(2);
const require = createRequire(`${process.cwd()}/`);
const load = (name) => import(pathToFileURL(require.resolve(name)));
const { generateText, streamText, embed, generateObject, registerTelemetry, tool, stepCountIs } = await load("ai");
const { createOpenAI } = await load("@ai-sdk/openai");
const { createAnthropic } = await load("@ai-sdk/anthropic");
const telemetry = await load("@ai-sdk/otel");
const { NodeTracerProvider, BatchSpanProcessor } = await load("@opentelemetry/sdk-trace-node");
const { OTLPTraceExporter } = await load("@opentelemetry/exporter-trace-otlp-proto");
const { z } = await load("zod");

const exporter = new OTLPTraceExporter({ url: `${receiver}/v1/traces` });
const provider = new NodeTracerProvider({ spanProcessors: [new BatchSpanProcessor(exporter)] });
provider.register();
const Integration = kind === "legacy" ? telemetry.LegacyOpenTelemetry : telemetry.OpenTelemetry;
registerTelemetry(new Integration());

const openai = createOpenAI({ baseURL: `${simulator}/v1`, apiKey: "k" });
const anthropic = createAnthropic({ baseURL: `${simulator}/v1`, apiKey: "k" });
const prompt = "Tell me about the harbour at night, please.";
const long = "The harbour master keeps a book of every ship that came in at night. ".repeat(120);
const weather = tool({
  description: "Weather",
  inputSchema: z.object({ city: z.string() }),
  execute: async () => "wind",
});
const cached = {
  role: "system",
  content: long,
  providerOptions: { anthropic: { cacheControl: { type: "ephemeral" } } },
};
const base = { prompt, maxOutputTokens: 60, maxRetries: 0 };

async function read(result) {
  for await (const _ of result.textStream);
}

async function failOnce(name) {
  const body = JSON.stringify({ status_code: 400, provider: name });
  await fetch(`${simulator}/_simulator/faults`, { method: "POST", body });
}

// A name with a plus stands for several calls to a provider.
function calls(name, model) {
  return {
    [`${name} plain`]: () => generateText({ ...base, model }),
    [`${name} stream`]: () => read(streamText({ ...base, model })),
    [`${name} tool + ${name} answer`]: () =>
      // Whatever the id of the tool's call, which is part of the next request, its answer is cut.
      generateText({ ...base, maxOutputTokens: 20, model, tools: { weather }, stopWhen: stepCountIs(2) }),
    [`${name} object`]: () => generateObject({ ...base, model, schema: z.object({ city: z.string() }) }),
    [`${name} error`]: () => generateText({ ...base, model }),
    [`${name} cache cold`]: () => generateText({ ...base, model, instructions: cached }),
    [`${name} cache warm`]: () => generateText({ ...base, model, instructions: cached }),
  };
}

const all = {
  ...calls("openai", openai.chat("gpt-4o")),
  "openai responses": () => generateText({ ...base, model: openai("gpt-4o") }),
  "openai embedding": () => embed({ model: openai.embedding("text-embedding-3-small"), value: prompt }),
  "openai tier": () =>
    generateText({ prompt, model: openai.chat("o4-mini"), providerOptions: { openai: { serviceTier: "flex" } } }),
  ...calls("anthropic", anthropic("claude-sonnet-4-6")),
};
for (const [name, call] of Object.entries(all)) {
  if (name.endsWith("error")) {
    await failOnce(name.split(" ")[0]);
    await call().catch(() => {});
  } else {
    await call();
  }
}
await provider.forceFlush();
await provider.shutdown();
console.log(JSON.stringify(Object.keys(all).flatMap((name) => name.split(" + "))));
