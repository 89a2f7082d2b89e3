/** Ends a command with a message for a person and a code for a script. */
import { type Fault, renderFault } from "../protocol/fault.ts";
import type { EXIT_CODE, ExitCode } from "./exit_code.ts";

export class CliError extends Error {
  readonly kind: Exclude<keyof typeof EXIT_CODE, "ok">;
  readonly faults: readonly Fault[];

  constructor(kind: CliError["kind"], message: string, faults: readonly Fault[] = []) {
    super(message);
    this.name = "CliError";
    this.kind = kind;
    this.faults = faults;
  }
}

/** All faults of one file. */
export function badFile(faults: readonly Fault[]): CliError {
  return new CliError("badFile", faults.map(renderFault).join("\n"), faults);
}

/** The form of an error with --json. */
export interface ErrorJson {
  readonly error: {
    readonly kind: CliError["kind"];
    readonly exitCode: ExitCode;
    readonly message: string;
    readonly faults: readonly Fault[];
  };
}
