export const fileFlows = [];
