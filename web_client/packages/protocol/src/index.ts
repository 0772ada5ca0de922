export * from "./generated.ts";
export * from "./ops.ts";
