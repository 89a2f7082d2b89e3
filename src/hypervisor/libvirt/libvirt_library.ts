/**
 * libvirt's C library, as far as vbal calls it, loaded at run time: a machine without it can run everything else of
 * vbal. Prototypes are those of libvirt's public headers; pointers are opaque numbers here.
 */
import koffi from "koffi";

/** A pointer to one of libvirt's objects, or to a string that libvirt keeps. */
export type Pointer = bigint;

/** Runs the C function on a thread of the pool. Whatever it returns says success or failure; why is in the error callback. */
export type Blocking<Args extends readonly unknown[], Result> = (...args: Args) => Promise<Result>;

export interface LibvirtLibrary {
  /** These never leave the process: they read what a pointer points to. */
  readonly domainName: (domain: Pointer) => string;
  readonly domainUuid: (domain: Pointer) => string;
  readonly domainId: (domain: Pointer) => number;
  readonly freeDomain: (domain: Pointer) => void;
  readonly setErrorCallback: (callback: (error: LibvirtFault) => void) => void;
  readonly setConnectionErrorCallback: (connection: Pointer, callback: (error: LibvirtFault) => void) => void;
  /** Once, before the first connection is opened. */
  readonly prepareEvents: () => void;

  /** These ask libvirt's daemon and may block. */
  readonly runEvents: Blocking<[], number>;
  readonly open: Blocking<[uri: string], Pointer | null>;
  readonly version: Blocking<[connection: Pointer], number | null>;
  readonly setKeepAlive: Blocking<[connection: Pointer, seconds: number, count: number], number>;
  readonly onClose: Blocking<[connection: Pointer, callback: (reason: number) => void], number>;
  readonly onEvent: Blocking<[connection: Pointer, event: number, callback: EventCallback], number>;
  /** Tells what an event of QEMU's own says, as JSON. */
  readonly onMonitorEvent: Blocking<
    [connection: Pointer, event: string, callback: (domain: Pointer, details: string) => void],
    number
  >;
  readonly capabilities: Blocking<[connection: Pointer], string | null>;
  readonly activeDomains: Blocking<[connection: Pointer], readonly Pointer[] | null>;
  readonly lookUp: Blocking<[connection: Pointer, uuid: string], Pointer | null>;
  readonly domainState: Blocking<[domain: Pointer], readonly [state: number, reason: number] | null>;
  readonly domainXml: Blocking<[domain: Pointer], string | null>;
  readonly jobType: Blocking<[domain: Pointer], number | null>;
  /** One mask per vCPU that the definition has room for, in `maps` one after another; returns how many. */
  readonly vcpuPins: Blocking<[domain: Pointer, vcpus: number, maps: Uint8Array, mapBytes: number], number>;
  readonly emulatorPins: Blocking<[domain: Pointer, map: Uint8Array, mapBytes: number], number>;
  readonly pinVcpu: Blocking<[domain: Pointer, vcpu: number, map: Uint8Array, mapBytes: number], number>;
  readonly pinEmulator: Blocking<[domain: Pointer, map: Uint8Array, mapBytes: number], number>;
  readonly pinIoThread: Blocking<
    [domain: Pointer, thread: number, map: Uint8Array, mapBytes: number],
    number
  >;
  /** An element of the live definition only; it stands there under its namespace. */
  readonly setMetadata: Blocking<
    [domain: Pointer, element: string, prefix: string, namespace: string],
    number
  >;
  readonly setVcpu: Blocking<[domain: Pointer, vcpus: string, on: number], number>;
  readonly agentCommand: Blocking<[domain: Pointer, command: string, timeoutSeconds: number], string | null>;
  readonly vcpuStats: Blocking<[connection: Pointer], readonly DomainStats[] | null>;
}

/** `code` as in libvirt's virterror.h. */
export interface LibvirtFault {
  readonly code: number;
  readonly message: string;
}

/** `detail` is what the event says besides: for a lifecycle event, what happened. */
export type EventCallback = (domain: Pointer, detail: number) => void;

/** Names and numbers as libvirt gives them: "vcpu.0.time". */
export interface DomainStats {
  readonly uuid: string;
  readonly id: number;
  readonly values: Readonly<Record<string, number>>;
}

/** Flag: the running domain only; its persistent definition is never touched. */
const AFFECT_LIVE = 1;
const LIST_ACTIVE = 1;
const STATS_VCPU = 1 << 3;
/** Active domains; and what would have to wait is left out. */
const STATS_ACTIVE_NOWAIT = (1 << 0) | (1 << 29);
const EVENT_LIFECYCLE = 0;
const METADATA_ELEMENT = 2;
/** The length of a UUID as text, with the closing NUL. */
const UUID_BYTES = 37;

/** Throws, with what to install, where libvirt's library is not on this machine. */
export function loadLibvirt(): LibvirtLibrary {
  const libvirt = loadLibrary("libvirt.so.0");
  const qemu = loadLibrary("libvirt-qemu.so.0");
  const libc = koffi.load("libc.so.6");
  const free = libc.func("void free(void *memory)") as (memory: Pointer) => void;
  koffi.disposable("OwnedText", "str", free);
  const FAULT = koffi.struct({ code: "int", domain: "int", message: "str" });
  const PARAMETER = koffi.struct({ field: koffi.array("char", 80), type: "int", value: "uint64" });
  const RECORD = koffi.struct({ domain: "void *", parameters: "void *", count: "int" });
  const JOB = koffi.struct({ type: "int", rest: koffi.array("uint64", 12) });
  const onFault = koffi.proto("void OnFault(void *data, void *error)");
  const onClose = koffi.proto("void OnClose(void *connection, int reason, void *data)");
  const onLifecycle = koffi.proto(
    "int OnLifecycle(void *connection, void *domain, int event, int detail, void *data)",
  );
  const onOther = koffi.proto("void OnOther(void *connection, void *domain, void *data)");
  const onMonitor = koffi.proto(
    "void OnMonitor(void *connection, void *domain, const char *event, long long seconds, uint micros, const char *details, void *data)",
  );
  koffi.proto("void OnFree(void *data)");

  const faultCallback = (callback: (error: LibvirtFault) => void) =>
    koffi.register((_data: unknown, error: Pointer | null) => {
      if (error === null) return;
      const { code, message } = koffi.decode(error, FAULT) as { code: number; message: string | null };
      callback({ code, message: message ?? "libvirt says no more" });
    }, koffi.pointer(onFault));

  const uuidOf = libvirt.func("int virDomainGetUUIDString(void *domain, _Out_ uint8_t *text)");
  const domainUuid = (domain: Pointer): string => {
    const text = Buffer.alloc(UUID_BYTES);
    uuidOf(domain, text);
    return text.toString("latin1", 0, UUID_BYTES - 1);
  };
  const domainId = libvirt.func("uint virDomainGetID(void *domain)") as (domain: Pointer) => number;
  const setError = libvirt.func("void virSetErrorFunc(void *data, OnFault *callback)");
  const setConnectionError = libvirt.func(
    "void virConnSetErrorFunc(void *connection, void *data, OnFault *callback)",
  );
  const prepare = libvirt.func("int virEventRegisterDefaultImpl()");

  const version = blocking(
    libvirt.func("int virConnectGetLibVersion(void *connection, _Out_ ulong *version)"),
  );
  const registerClose = blocking(
    libvirt.func(
      "int virConnectRegisterCloseCallback(void *connection, OnClose *callback, void *data, OnFree *release)",
    ),
  );
  const registerEvent = blocking(
    libvirt.func(
      "int virConnectDomainEventRegisterAny(void *connection, void *domain, int event, void *callback, void *data, void *release)",
    ),
  );
  const registerMonitor = blocking(
    qemu.func(
      "int virConnectDomainQemuMonitorEventRegister(void *connection, void *domain, const char *event, OnMonitor *callback, void *data, void *release, uint flags)",
    ),
  );
  const setMetadata = blocking(
    libvirt.func(
      "int virDomainSetMetadata(void *domain, int type, const char *element, const char *prefix, const char *uri, uint flags)",
    ),
  );
  const listDomains = blocking(
    libvirt.func("int virConnectListAllDomains(void *connection, _Out_ void **domains, uint flags)"),
  );
  const state = blocking(
    libvirt.func("int virDomainGetState(void *domain, _Out_ int *state, _Out_ int *reason, uint flags)"),
  );
  const job = blocking(libvirt.func("virDomainGetJobInfo", "int", ["void *", koffi.out(koffi.pointer(JOB))]));
  const xml = blocking(libvirt.func("OwnedText virDomainGetXMLDesc(void *domain, uint flags)"));
  const vcpuPins = blocking(
    libvirt.func(
      "int virDomainGetVcpuPinInfo(void *domain, int vcpus, _Out_ uint8_t *maps, int length, uint flags)",
    ),
  );
  const emulatorPins = blocking(
    libvirt.func("int virDomainGetEmulatorPinInfo(void *domain, _Out_ uint8_t *map, int length, uint flags)"),
  );
  const pinVcpu = blocking(
    libvirt.func(
      "int virDomainPinVcpuFlags(void *domain, uint vcpu, const uint8_t *map, int length, uint flags)",
    ),
  );
  const pinEmulator = blocking(
    libvirt.func("int virDomainPinEmulator(void *domain, const uint8_t *map, int length, uint flags)"),
  );
  const pinIoThread = blocking(
    libvirt.func(
      "int virDomainPinIOThread(void *domain, uint thread, const uint8_t *map, int length, uint flags)",
    ),
  );
  const setVcpu = blocking(
    libvirt.func("int virDomainSetVcpu(void *domain, const char *vcpus, int on, uint flags)"),
  );
  const agentCommand = blocking(
    qemu.func(
      "OwnedText virDomainQemuAgentCommand(void *domain, const char *command, int timeout, uint flags)",
    ),
  );
  const stats = blocking(
    libvirt.func(
      "int virConnectGetAllDomainStats(void *connection, uint stats, _Out_ void **records, uint flags)",
    ),
  );
  const freeStats = libvirt.func("void virDomainStatsRecordListFree(void *records)");

  return {
    domainName: libvirt.func("str virDomainGetName(void *domain)") as (domain: Pointer) => string,
    domainUuid,
    domainId,
    freeDomain: libvirt.func("int virDomainFree(void *domain)") as (domain: Pointer) => void,
    setErrorCallback: (callback) => void setError(null, faultCallback(callback)),
    setConnectionErrorCallback: (connection, callback) =>
      void setConnectionError(connection, null, faultCallback(callback)),
    prepareEvents: () => void prepare(),
    runEvents: blocking(libvirt.func("int virEventRunDefaultImpl()")),
    open: blocking(libvirt.func("void *virConnectOpen(const char *uri)")),
    async version(connection) {
      const into = [0];
      return (await version(connection, into)) === 0 ? into[0]! : null;
    },
    setKeepAlive: blocking(
      libvirt.func("int virConnectSetKeepAlive(void *connection, int seconds, uint count)"),
    ),
    onClose: (connection, callback) => {
      const registered = koffi.register(
        (_connection: unknown, reason: number) => callback(reason),
        koffi.pointer(onClose),
      );
      return registerClose(connection, registered, null, null) as Promise<number>;
    },
    onEvent: (connection, event, callback) => {
      // Only the lifecycle's own numbers are read; of the others it is enough to know that they happened.
      const registered =
        event === EVENT_LIFECYCLE
          ? koffi.register((_connection: unknown, domain: Pointer, detail: number) => {
              callback(domain, detail);
              return 0;
            }, koffi.pointer(onLifecycle))
          : koffi.register(
              (_connection: unknown, domain: Pointer) => callback(domain, 0),
              koffi.pointer(onOther),
            );
      return registerEvent(connection, null, event, registered, null, null) as Promise<number>;
    },
    onMonitorEvent: (connection, event, callback) => {
      const registered = koffi.register(
        (
          _connection: unknown,
          domain: Pointer,
          _event: string,
          _seconds: unknown,
          _micros: unknown,
          details: string | null,
        ) => callback(domain, details ?? "{}"),
        koffi.pointer(onMonitor),
      );
      return registerMonitor(connection, null, event, registered, null, null, 0) as Promise<number>;
    },
    capabilities: blocking(libvirt.func("OwnedText virConnectGetCapabilities(void *connection)")),
    async activeDomains(connection) {
      const into: [Pointer | null] = [null];
      const count = (await listDomains(connection, into, LIST_ACTIVE)) as number;
      const [list] = into;
      if (count < 0 || list === null) return count < 0 ? null : [];
      const domains = koffi.decode(list, "void *", count) as Pointer[];
      free(list);
      return domains;
    },
    lookUp: blocking(libvirt.func("void *virDomainLookupByUUIDString(void *connection, const char *uuid)")),
    async domainState(domain) {
      const [now, reason] = [[0], [0]];
      return (await state(domain, now, reason, 0)) === 0 ? [now[0]!, reason[0]!] : null;
    },
    domainXml: (domain) => xml(domain, 0) as Promise<string | null>,
    async jobType(domain) {
      const info: { type?: number } = {};
      return (await job(domain, info)) === 0 ? (info.type ?? 0) : null;
    },
    vcpuPins: (domain, vcpus, maps, mapBytes) =>
      vcpuPins(domain, vcpus, maps, mapBytes, AFFECT_LIVE) as Promise<number>,
    emulatorPins: (domain, map, mapBytes) =>
      emulatorPins(domain, map, mapBytes, AFFECT_LIVE) as Promise<number>,
    pinVcpu: (domain, vcpu, map, mapBytes) =>
      pinVcpu(domain, vcpu, map, mapBytes, AFFECT_LIVE) as Promise<number>,
    pinEmulator: (domain, map, mapBytes) =>
      pinEmulator(domain, map, mapBytes, AFFECT_LIVE) as Promise<number>,
    pinIoThread: (domain, thread, map, mapBytes) =>
      pinIoThread(domain, thread, map, mapBytes, AFFECT_LIVE) as Promise<number>,
    setMetadata: (domain, element, prefix, namespace) =>
      setMetadata(domain, METADATA_ELEMENT, element, prefix, namespace, AFFECT_LIVE) as Promise<number>,
    setVcpu: (domain, vcpus, on) => setVcpu(domain, vcpus, on, AFFECT_LIVE) as Promise<number>,
    agentCommand: (domain, command, timeoutSeconds) =>
      agentCommand(domain, command, timeoutSeconds, 0) as Promise<string | null>,
    async vcpuStats(connection) {
      const into: [Pointer | null] = [null];
      const count = (await stats(connection, STATS_VCPU, into, STATS_ACTIVE_NOWAIT)) as number;
      const [list] = into;
      if (count < 0 || list === null) return null;
      const read = (koffi.decode(list, "void *", count) as Pointer[]).map((record) => {
        const {
          domain,
          parameters,
          count: length,
        } = koffi.decode(record, RECORD) as {
          domain: Pointer;
          parameters: Pointer;
          count: number;
        };
        const fields = koffi.decode(parameters, PARAMETER, length) as {
          field: string;
          value: number | bigint;
        }[];
        const values = Object.fromEntries(fields.map(({ field, value }) => [field, Number(value)]));
        return { uuid: domainUuid(domain), id: domainId(domain), values };
      });
      freeStats(list);
      return read;
    },
  };
}

function loadLibrary(name: string): ReturnType<typeof koffi.load> {
  try {
    return koffi.load(name);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(
      `libvirt's library ${name} cannot be loaded (${why}): install it (Debian: apt-get install libvirt0), or use hypervisor.kind qmp`,
    );
  }
}

/** The function's asynchronous form as a promise. */
function blocking<Args extends readonly unknown[], Result>(call: {
  async: (...args: never[]) => void;
}): Blocking<Args, Result> {
  const begin = call.async as (...args: unknown[]) => void;
  return (...args) =>
    new Promise((resolve, reject) => {
      begin(...args, (error: Error | null, result: Result) =>
        error === null ? resolve(result) : reject(error),
      );
    });
}
