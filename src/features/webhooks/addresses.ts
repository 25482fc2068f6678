import type { lookup as lookupName } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'

// Where webhooks may go: to public addresses alone, so that nobody can make this server speak to what stands beside it.

const refusedV4 = new BlockList()
for (const [network, prefix] of [
  ['0.0.0.0', 8], // this network
  ['10.0.0.0', 8], // private
  ['100.64.0.0', 10], // shared by a carrier's customers
  ['127.0.0.0', 8], // loopback
  ['169.254.0.0', 16], // link-local, where clouds keep their metadata
  ['172.16.0.0', 12], // private
  ['192.0.0.0', 24], // protocol assignments
  ['192.0.2.0', 24], // documentation
  ['192.88.99.0', 24], // 6to4 relays
  ['192.168.0.0', 16], // private
  ['198.18.0.0', 15], // benchmarks
  ['198.51.100.0', 24], // documentation
  ['203.0.113.0', 24], // documentation
  ['224.0.0.0', 3], // multicast, reserved, broadcast
] as const) {
  refusedV4.addSubnet(network, prefix, 'ipv4')
}

// All else is loopback, unspecified, v4 in another form (mapped, NAT64), unique local, link-local, multicast or reserved.
const globalV6 = new BlockList()
globalV6.addSubnet('2000::', 3, 'ipv6')

const refusedV6 = new BlockList()
for (const [network, prefix] of [
  ['2001::', 23], // protocol assignments, Teredo
  ['2001:db8::', 32], // documentation
  ['2002::', 16], // 6to4
  ['3fff::', 20], // documentation
] as const) {
  refusedV6.addSubnet(network, prefix, 'ipv6')
}

/** Whether an address, as a name resolves to or as a URL holds, is one of the public internet. */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address)
  if (family === 4) return !refusedV4.check(address, 'ipv4')
  // With a zone it is no address of the internet.
  if (family !== 6 || address.includes('%')) return false
  return globalV6.check(address, 'ipv6') && !refusedV6.check(address, 'ipv6')
}

/** The address that a URL's host is, or null for a name. */
export function addressIn({ hostname }: URL): string | null {
  const bare = hostname.replace(/^\[|\]$/g, '')
  return isIP(bare) ? bare : null
}

/** An address that isn't public, or a name of one. */
export class RefusedAddressError extends Error {
  constructor() {
    super('The address is not a public one.')
  }
}

/** How names are resolved; dns.lookup is one. */
export type Resolve = typeof lookupName

/**
 * A `lookup` for connections, which gives out public addresses alone: what is connected to is what was checked, and a
 * name that is another one's a moment later gains nothing. One private address among several spoils them all.
 */
export function publicLookup(resolve: Resolve): LookupFunction {
  return (hostname, options, callback) =>
    resolve(hostname, { ...options, all: true }, (error, found) => {
      if (error) return callback(error, '', 0)
      if (found.length === 0 || !found.every(({ address }) => isPublicAddress(address))) {
        return callback(new RefusedAddressError(), '', 0)
      }
      if (options.all) return callback(null, found)
      callback(null, found[0]!.address, found[0]!.family)
    })
}
