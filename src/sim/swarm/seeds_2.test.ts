import { describeSeeds } from "./seeds_suite.ts";

describeSeeds({ first: 2501, count: 2_500 });
