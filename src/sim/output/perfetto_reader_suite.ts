/**
 * An independent little reader of Perfetto traces for tests: it knows the wire format and the fields of TrackEvent, and
 * nothing of the writer. It follows interned names, nests slices per track, and joins flows.
 */
export interface DecodedTrace {
  /** By rank; `parent` is a name, null at the top. */
  readonly tracks: readonly { readonly name: string; readonly parent: string | null }[];
  readonly slices: readonly DecodedSlice[];
  /** Per counter track, by path: [time, value] in order. */
  readonly counters: Readonly<Record<string, readonly (readonly [number, number])[]>>;
  readonly flows: readonly { readonly leaves: DecodedInstant; readonly arrives: DecodedInstant }[];
  /** Slices that do not nest or do not end, times that go back, names and tracks that nobody declared. */
  readonly faults: readonly string[];
}

export interface DecodedSlice {
  /** "group/track". */
  readonly track: string;
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

export interface DecodedInstant {
  readonly at: number;
  readonly track: string;
  readonly name: string;
}

type Message = ReadonlyMap<number, readonly (number | Uint8Array)[]>;

export function decodePerfetto(bytes: Uint8Array): DecodedTrace {
  const faults: string[] = [];
  const names = new Map<number, string>();
  const descriptors = new Map<number, { name: string; parent: number | null; rank: number }>();
  const open = new Map<number, { name: string; from: number }[]>();
  const slices: DecodedSlice[] = [];
  const counters: Record<string, [number, number][]> = {};
  const counting = new Set<number>();
  const leaving = new Map<number, DecodedInstant>();
  const flows: { leaves: DecodedInstant; arrives: DecodedInstant }[] = [];
  let last = 0;

  const pathOf = (uuid: number): string => {
    const track = descriptors.get(uuid);
    if (track === undefined) {
      faults.push(`no track ${uuid}`);
      return "?";
    }
    return track.parent === null ? track.name : `${pathOf(track.parent)}/${track.name}`;
  };

  for (const packetBytes of parse(bytes).get(1) ?? []) {
    const packet = parse(packetBytes as Uint8Array);
    for (const interned of messages(packet, 12)) {
      for (const entry of messages(interned, 2)) names.set(number(entry, 1)!, text(entry, 2)!);
    }
    for (const track of messages(packet, 60)) {
      descriptors.set(number(track, 1)!, {
        name: text(track, 2)!,
        parent: number(track, 5) ?? null,
        rank: number(track, 12) ?? 0,
      });
      if (track.has(8)) counting.add(number(track, 1)!);
    }
    for (const event of messages(packet, 11)) {
      const at = number(packet, 8) ?? 0;
      if (at < last) faults.push(`time goes back to ${at}`);
      last = at;
      const track = number(event, 11)!;
      const nameId = number(event, 10);
      const name = names.get(nameId ?? 0) ?? "";
      const stack = open.get(track) ?? [];
      open.set(track, stack);
      switch (number(event, 9)) {
        case 1:
          stack.push({ name, from: at });
          break;
        case 2: {
          const begun = stack.pop();
          if (begun === undefined) faults.push(`an end without beginning at ${at}`);
          else slices.push({ track: pathOf(track), ...begun, to: at });
          break;
        }
        case 3: {
          const instant = { at, track: pathOf(track), name };
          for (const flow of event.get(47) ?? []) leaving.set(flow as number, instant);
          for (const flow of event.get(48) ?? []) {
            const leaves = leaving.get(flow as number);
            if (leaves === undefined) faults.push(`flow ${String(flow)} arrives before it leaves`);
            else flows.push({ leaves, arrives: instant });
          }
          break;
        }
        case 4: {
          if (!counting.has(track)) faults.push(`a count on ${pathOf(track)}, which is no counter`);
          const path = pathOf(track);
          counters[path] = [...(counters[path] ?? []), [at, number(event, 30)!]];
          break;
        }
        default:
          faults.push(`an event of no known type at ${at}`);
      }
    }
  }
  for (const [track, stack] of open)
    if (stack.length > 0) faults.push(`slices stay open on ${pathOf(track)}`);
  const tracks = [...descriptors.values()]
    .sort((a, b) => a.rank - b.rank)
    .map(({ name, parent }) => ({
      name,
      parent: parent === null ? null : (descriptors.get(parent)?.name ?? "?"),
    }));
  return { tracks, slices: slices.sort((a, b) => a.from - b.from), counters, flows, faults };
}

/** Field number to values: varints and 64-bit numbers as numbers, everything with a length as bytes. */
function parse(bytes: Uint8Array): Message {
  const fields = new Map<number, (number | Uint8Array)[]>();
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++]!;
      value += (byte % 128) * scale;
      if (byte < 128) return value;
    }
  };
  const take = (count: number): Uint8Array => {
    at += count;
    return bytes.subarray(at - count, at);
  };
  while (at < bytes.length) {
    const tag = varint();
    const values = fields.get(tag >>> 3) ?? [];
    fields.set(tag >>> 3, values);
    switch (tag & 7) {
      case 0:
        values.push(varint());
        break;
      case 1:
        values.push(Number(new DataView(take(8).slice().buffer).getBigUint64(0, true)));
        break;
      case 2:
        values.push(take(varint()));
        break;
      default:
        throw new Error(`Wire type ${tag & 7} at byte ${at}`);
    }
  }
  return fields;
}

function messages(message: Message, field: number): Message[] {
  return (message.get(field) ?? []).map((bytes) => parse(bytes as Uint8Array));
}

function number(message: Message, field: number): number | undefined {
  return message.get(field)?.[0] as number | undefined;
}

function text(message: Message, field: number): string | undefined {
  const bytes = message.get(field)?.[0] as Uint8Array | undefined;
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
}
