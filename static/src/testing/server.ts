import { setupServer } from 'msw/node';

/** Tests put the handlers of a fresh MockApi in; a request nobody expects fails. */
export const server = setupServer();
