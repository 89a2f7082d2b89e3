/** The parts of QuickJS 2025-04-26's own modules that platform_quickjs.ts uses. Calls of `os` answer -errno. */
declare module "std" {
  export function exit(code: number): never;
  export function strerror(errno: number): string;
  export function gc(): void;
  export const out: { puts(text: string): void; flush(): void };
  export const err: { puts(text: string): void; flush(): void };
}

/** switch_cost.c, which is linked into the agent. */
declare module "switch_cost" {
  export function measureSwitches(
    ms: number,
  ): { readonly sameProcessNs: number; readonly otherProcessNs: number } | string;
}

/** read_text.c. */
declare module "read_text" {
  export function readText(path: string, bytesMax: number): string | null;
}

/** cpu_time.c. */
declare module "cpu_time" {
  export function cpuMs(): number;
  /** Below 0 when it may not. */
  export function goFirst(nice: number): number;
  export function vcpuNow(): number;
}

/** queue_watch.c. */
declare module "queue_watch" {
  export function arm(path: string, everyMs: number, waitingMin: number, arrivalsMax: number): number;
  export function disarm(): { readonly readings: number; readonly cpuMs: number };
  export function before(): { readonly atMs: number; readonly text: string };
}

declare module "os" {
  type Timer = object;
  export const O_RDONLY: number;
  export const O_WRONLY: number;
  export const O_RDWR: number;
  export const O_CREAT: number;
  export const O_TRUNC: number;
  export const SIGTERM: number;
  export const SIGINT: number;
  export function open(path: string, flags: number, mode?: number): number;
  export function close(fd: number): number;
  export function read(fd: number, buffer: ArrayBuffer, offset: number, length: number): number;
  export function write(fd: number, buffer: ArrayBuffer, offset: number, length: number): number;
  export const WNOHANG: number;
  /** The process id, 0 while it runs, or -errno; and its status. */
  export function waitpid(pid: number, options: number): [result: number, status: number];
  export function setReadHandler(fd: number, call: (() => void) | null): void;
  export function setWriteHandler(fd: number, call: (() => void) | null): void;
  export function signal(signal: number, call: () => void): void;
  export function now(): number;
  export function setTimeout(call: () => void, ms: number): Timer;
  export function clearTimeout(timer: Timer): void;
  export function readdir(path: string): [names: string[], errno: number];
  export function mkdir(path: string, mode: number): number;
  export function remove(path: string): number;
  export function rename(from: string, to: string): number;
  export function exec(
    command: readonly string[],
    options: { block?: boolean; stdin?: number; stdout?: number; stderr?: number },
  ): number;
}

/** The program's arguments, its own name first. */
declare const scriptArgs: readonly string[];
