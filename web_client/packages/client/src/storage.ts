/**
 * Storage that never throws: the browser's, or memory when the page may not store (blocked cookies,
 * sandboxed frame). It must not be used for anything that has to survive there.
 */
export interface Store {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
  keys(): string[];
}

export class MemoryStore implements Store {
  private readonly values = new Map<string, string>();
  getItem(key: string): string | null {
    return this.values.get(key) ?? null;
  }
  setItem(key: string, value: string): void {
    this.values.set(key, value);
  }
  removeItem(key: string): void {
    this.values.delete(key);
  }
  keys(): string[] {
    return [...this.values.keys()];
  }
}

class BrowserStore implements Store {
  constructor(private readonly area: Storage) {}
  getItem(key: string): string | null {
    return this.area.getItem(key);
  }
  setItem(key: string, value: string): void {
    try {
      this.area.setItem(key, value);
    } catch {
      // Full: what is already stored stays; the caller keeps its copy in memory.
    }
  }
  removeItem(key: string): void {
    this.area.removeItem(key);
  }
  keys(): string[] {
    return Object.keys(this.area);
  }
}

/** The browser's storage area of that name, or memory when it is not allowed. */
export function openStore(area: "sessionStorage" | "localStorage"): Store {
  try {
    return new BrowserStore(window[area]);
  } catch {
    return new MemoryStore();
  }
}

/** Parse what was stored; null when it is absent or was damaged. */
export function readJson<T>(store: Store, key: string): T | null {
  const text = store.getItem(key);
  if (text === null) return null;
  try {
    return JSON.parse(text) as T;
  } catch {
    return null;
  }
}
