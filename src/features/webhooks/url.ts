import { BadUserInputError } from '../../lib/errors.ts'
import { requireText } from '../../lib/text.ts'
import { addressIn, isPublicAddress } from './addresses.ts'

const MAX_URL = 2_048

/**
 * A URL that may be an endpoint's, as it came. What a name resolves to is looked at when it is called.
 * @throws BadUserInputError naming `url`.
 */
export function requireWebhookUrl(text: string, allowPrivate: boolean): string {
  requireText(text, 'url', MAX_URL)
  const url = URL.canParse(text) ? new URL(text) : null
  if (url?.protocol !== 'https:' && !(allowPrivate && url?.protocol === 'http:')) {
    throw new BadUserInputError('url must be an https address.', 'url')
  }
  if (url.username !== '' || url.password !== '') {
    throw new BadUserInputError('url must not have credentials in it.', 'url')
  }
  const address = addressIn(url)
  if (address !== null && !allowPrivate && !isPublicAddress(address)) {
    throw new BadUserInputError('url must be of a public address.', 'url')
  }
  return text
}
