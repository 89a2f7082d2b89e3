import { describeSeeds } from "./seeds_suite.ts";

describeSeeds({ first: 1, count: 2_500 });
