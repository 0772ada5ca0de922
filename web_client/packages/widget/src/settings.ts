/** What loader and widget tell each other. Types only: nothing of the widget may end up in the loader. */
export interface Settings {
  server: string;
  site: string;
  /** The company's signed token, or null for an anonymous visitor. */
  token: string | null;
  /** During a call follow the site's own links in place. */
  softNavigation: boolean;
  /** Open the panel on load. */
  open: boolean;
  /** To the listeners of `TalkNow('on', …)`. */
  emit(name: string, detail: unknown): void;
}

export interface Widget {
  update(settings: Settings): void;
  shutdown(): void;
  open(): void;
  talk(): void;
}
