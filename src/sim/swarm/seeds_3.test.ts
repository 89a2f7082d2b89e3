import { describeSeeds } from "./seeds_suite.ts";

describeSeeds({ first: 5001, count: 2_500 });
