import { describeSeeds } from "./seeds_suite.ts";

describeSeeds({ first: 7501, count: 2_500 });
