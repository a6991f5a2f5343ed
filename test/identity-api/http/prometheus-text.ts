// A strict reader of the Prometheus text format 0.0.4: what it takes, Prometheus takes.
export interface Sample {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(.*)\\})? (NaN|[+-]Inf|[-+0-9.eE]+)(?: -?[0-9]+)?$`);
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\n"])*)"(?:,|$)/;
/** Other comments, for example UNIT of OpenMetrics, mean nothing here. */
const COMMENT = new RegExp(
  `^# (?:HELP (${NAME}) .+|TYPE (${NAME}) (counter|gauge|histogram|summary|untyped)|(?!HELP |TYPE ).*)$`,
);

/** @throws Error with the line that is not of the format, a metric without TYPE, or a series that comes twice */
export function parsePrometheusText(text: string): Sample[] {
  if (!text.endsWith("\n")) throw new Error("the last line has no end");
  const types = new Map<string, string>();
  const seen = new Set<string>();
  const samples: Sample[] = [];
  for (const line of text.slice(0, -1).split("\n")) {
    if (line === "") continue;
    if (line.startsWith("#")) {
      const comment = COMMENT.exec(line);
      if (comment === null) throw new Error(`not a comment of the format: ${line}`);
      const [, , typed, type] = comment;
      if (typed !== undefined && types.has(typed)) throw new Error(`a second TYPE: ${line}`);
      if (typed !== undefined && type !== undefined) types.set(typed, type);
      continue;
    }
    const sample = parseSample(line);
    const family = sample.name.replace(/_(?:bucket|sum|count)$/, "");
    if (!types.has(sample.name) && types.get(family) !== "histogram") throw new Error(`no TYPE: ${line}`);
    const series = `${sample.name} ${JSON.stringify([...sample.labels].sort())}`;
    if (seen.has(series)) throw new Error(`a series twice: ${line}`);
    seen.add(series);
    samples.push(sample);
  }
  return samples;
}

function parseSample(line: string): Sample {
  const match = SAMPLE.exec(line);
  const [, name, inside = "", number = ""] = match ?? [];
  if (name === undefined) throw new Error(`not a sample: ${line}`);
  const labels = new Map<string, string>();
  for (let rest = inside; rest !== ""; ) {
    const label = LABEL.exec(rest);
    const [whole = "", key, value] = label ?? [];
    if (key === undefined || value === undefined) throw new Error(`not a label: ${line}`);
    if (labels.has(key)) throw new Error(`a label twice: ${line}`);
    labels.set(key, value);
    rest = rest.slice(whole.length);
  }
  const value = number.endsWith("Inf") ? Number(number.replace("Inf", "Infinity")) : Number(number);
  if (number !== "NaN" && Number.isNaN(value)) throw new Error(`not a number: ${line}`);
  return { name, labels, value };
}
