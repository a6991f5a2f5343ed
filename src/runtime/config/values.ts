// Small makers of schema values, so that no key can be written without a default, a unit where it has one, and a sentence.
import Type, { type TProperties } from "typebox";

interface IntegerBounds {
  readonly minimum: number;
  readonly maximum: number;
  /** As printed in docs/configuration.md: "s", "B", "connections". */
  readonly unit?: string;
}

/** A whole number with its bounds. */
export function integer(value: number, bounds: IntegerBounds, description: string) {
  return Type.Integer({ ...bounds, default: value, description });
}

/** Text; `null` as the default means: required. */
export function text(value: string | null, description: string, options: object = {}) {
  return Type.String({ ...(value === null ? {} : { default: value }), description, ...options });
}

/** Text that may be left out; `null` then. */
export function textOrNull(description: string, options: object = {}) {
  return Type.Union([Type.String({ minLength: 1 }), Type.Null()], { default: null, description, ...options });
}

/** A list of texts, empty by default. */
export function texts(description: string, options: object = {}) {
  return Type.Array(Type.String({ minLength: 1 }), { default: [], description, ...options });
}

export function flag(value: boolean, description: string) {
  return Type.Boolean({ default: value, description });
}

/** A map from text to text, empty by default. */
export function textMap(description: string, options: object = {}) {
  return Type.Record(Type.String(), Type.String(), { default: {}, description, ...options });
}

/** A named group of keys; unknown keys in it are refused. */
export function section<Properties extends TProperties>(description: string, properties: Properties) {
  return Type.Object(properties, { additionalProperties: false, description, default: {} });
}
