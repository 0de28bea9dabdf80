import type { Footer } from '../segment/footer.ts';
import { openSegment, SEGMENT_TAIL_BYTES } from '../segment/read.ts';
import { segmentKey } from '../segment/segment-id.ts';
import type { ObjectStore, RequestOptions } from '../storage/object-store.ts';

/** The footer of a segment of which only the id is known. Null when it is gone; StorageCorruptError when it is none. */
export async function findFooter(
  objects: ObjectStore,
  clusterId: string,
  segmentId: string,
  options: RequestOptions,
): Promise<Footer | null> {
  for (let tailBytes = SEGMENT_TAIL_BYTES; ; ) {
    const tail = await objects.readLast(segmentKey(clusterId, segmentId), tailBytes, options);
    if (tail === null || tail === 'archived') return null;
    const opened = openSegment(segmentId, tail.bytes, tail.size);
    if (opened.type === 'opened') return opened.footer;
    tailBytes = opened.tailBytes;
  }
}
