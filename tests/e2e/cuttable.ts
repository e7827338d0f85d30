// A wire between browser and service that can be cut: all bytes pass as they are, TLS included, until it is.
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

export class CuttableWire {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #cut = false

  private constructor(server: Server) {
    this.#server = server
  }

  static async to(target: string): Promise<CuttableWire> {
    const { port } = new URL(target)
    const server = createServer()
    const wire = new CuttableWire(server)
    server.on('connection', (near: Socket) => {
      if (wire.#cut) return void near.resetAndDestroy()
      const far = connect({ host: '127.0.0.1', port: Number(port) })
      for (const [from, to] of [[near, far], [far, near]] as const) {
        wire.#sockets.add(from)
        from.pipe(to)
        from.on('error', () => to.destroy())
        from.on('close', () => {
          wire.#sockets.delete(from)
          to.destroy()
        })
      }
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return wire
  }

  get url(): string {
    return `https://localhost:${(this.#server.address() as AddressInfo).port}`
  }

  /** Every connection breaks, and none can be made until it is mended. */
  cut(): void {
    this.#cut = true
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  mend(): void {
    this.#cut = false
  }

  async close(): Promise<void> {
    this.cut()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}
