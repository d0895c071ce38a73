/** Reads a run's log piece by piece, for as long as it grows. */

import { getJson, RequestFailed, withQuery } from "../lib/http";
import type { Chunk } from "./lines";

export interface Page {
  readonly chunks: Chunk[];
  readonly next: number;
  readonly done: boolean;
  readonly status: string;
  readonly more?: boolean; // optional: says that more is there already
}

export type Connection = "live" | "paused" | "retrying" | "gone" | "finished";

export interface Listener {
  page(page: Page): void;
  connection(state: Connection, retryInSeconds?: number): void;
}

const LIVE_MS = 1_000;
const HIDDEN_MS = 5_000;
const MAX_RETRY_MS = 30_000;
const FULL_PAGE_CHUNKS = 50;
const FULL_PAGE_CHARACTERS = 100_000;

/** Whether the server certainly or probably has more to give at once. */
export function hasMore(page: Page): boolean {
  if (page.more !== undefined) return page.more;
  if (page.chunks.length === 0) return false;
  if (page.done || page.chunks.length >= FULL_PAGE_CHUNKS) return true;
  return page.chunks.reduce((sum, chunk) => sum + chunk.text.length, 0) >= FULL_PAGE_CHARACTERS;
}

export function retryDelay(failures: number, retryAfterSeconds: number | null): number {
  return Math.min(MAX_RETRY_MS, retryAfterSeconds ? retryAfterSeconds * 1_000 : 1_000 * 2 ** (failures - 1));
}

export class Poller {
  private after = 0;
  private failures = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private busy = false;
  private ended = false;
  private isPaused = false;

  constructor(
    private readonly url: string,
    private readonly listener: Listener,
  ) {}

  get paused(): boolean {
    return this.isPaused;
  }

  start(): void {
    this.listener.connection("live");
    void this.fetchPage();
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.wake();
    });
  }

  pause(): void {
    this.isPaused = true;
    clearTimeout(this.timer);
    if (!this.ended) this.listener.connection("paused");
  }

  resume(): void {
    this.isPaused = false;
    if (!this.ended) this.listener.connection("live");
    this.wake();
  }

  /** Asks at once. Also how a person retries after "gone". */
  wake(): void {
    clearTimeout(this.timer);
    if (!this.busy && !this.ended && !this.isPaused) void this.fetchPage();
  }

  private async fetchPage(): Promise<void> {
    this.busy = true;
    try {
      const page = await getJson<Page>(withQuery(this.url, { after: this.after }));
      this.receive(page);
    } catch (error) {
      this.fail(error);
    } finally {
      this.busy = false;
    }
  }

  private receive(page: Page): void {
    if (this.failures > 0) this.listener.connection(this.isPaused ? "paused" : "live");
    this.failures = 0;
    this.after = page.next;
    this.listener.page(page);
    const more = hasMore(page);
    if (page.done && !more) {
      this.ended = true;
      this.listener.connection("finished");
      return;
    }
    this.schedule(more ? 0 : document.hidden ? HIDDEN_MS : LIVE_MS);
  }

  private fail(error: unknown): void {
    const failure = error instanceof RequestFailed ? error : new RequestFailed("trouble", 0);
    if (failure.kind === "gone") {
      this.ended = true;
      this.listener.connection("gone");
      return;
    }
    this.failures += 1;
    const delay = retryDelay(this.failures, failure.retryAfterSeconds);
    this.listener.connection("retrying", Math.round(delay / 1_000));
    this.schedule(delay);
  }

  private schedule(delay: number): void {
    clearTimeout(this.timer);
    if (!this.isPaused) this.timer = setTimeout(() => void this.fetchPage(), delay);
  }
}
