/** What the benchmark uses of simjs, which ships without types and, as a browser's script, without exports. */
declare module "simjs" {}

interface SimjsRequest {
  cancel(): void;
  done(callback: () => void, context: object): SimjsRequest;
}

interface SimjsEngine {
  addEntity<Made>(entity: abstract new (...args: never[]) => Made, name: string): Made;
  time(): number;
  /** Delivers the next event that nobody cancelled. */
  step(): boolean;
}

interface SimjsLibrary {
  readonly Sim: new () => SimjsEngine;
  readonly Entity: new (
    engine: SimjsEngine,
    name: string,
  ) => { time(): number; setTimer(delay: number): SimjsRequest };
}
