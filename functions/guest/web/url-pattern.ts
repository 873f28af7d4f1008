export function installUrlPattern(): void {}
