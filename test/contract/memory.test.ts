import { MemoryMetadataStore } from '../../src/storage/memory/metadata-store.ts';
import { MemoryObjectStore } from '../../src/storage/memory/object-store.ts';
import { metadataStoreContract } from './metadata-store.contract.ts';
import { objectStoreContract } from './object-store.contract.ts';

objectStoreContract('MemoryObjectStore', () => new MemoryObjectStore());
metadataStoreContract('MemoryMetadataStore', () => new MemoryMetadataStore());
