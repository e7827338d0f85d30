/** `npm run dev` needs no back end: the handlers of the tests answer. A build has none of this. */
export async function startMocks(): Promise<void> {
  if (!import.meta.env.DEV) return;
  const { startWorker } = await import('@/testing/browser');
  await startWorker();
}
