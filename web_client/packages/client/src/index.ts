export * from "./connection.ts";
export * from "./device.ts";
export * from "./engagement.ts";
export * from "./http.ts";
export * from "./outbox.ts";
export * from "./storage.ts";
