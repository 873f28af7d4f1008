import comparisons from "assert/build/internal/util/comparisons.js";

export default comparisons;
