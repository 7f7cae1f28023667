export const optimizeFlows = [];
