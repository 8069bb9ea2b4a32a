/** What the signs, words and figures on the screen mean, for the help page. */
import { glyph } from './glyphs.ts';

export type Word = { readonly word: string; readonly meaning: string };

const { thin, heavy, through, unit, arrow, refused, corrupt, leads } = glyph;

export const words: readonly { readonly title: string; readonly words: readonly Word[] }[] = [
  {
    title: 'the way of a request',
    words: [
      {
        word: `${heavy}${heavy}${through}${heavy}${arrow}`,
        meaning: 'looked up by the IOMMU and not translated: passthrough',
      },
      {
        word: `${thin}${thin}${unit}${thin}${arrow}`,
        meaning: 'translated by tables: only what is mapped can be reached',
      },
      { word: `${thin}${thin}${unit}${refused}`, meaning: 'refused, each one' },
      { word: `${heavy}off${heavy}${arrow}`, meaning: 'the IOMMU is off and looks at nothing' },
      { word: corrupt, meaning: 'this device wrote over memory that was not its to write' },
    ],
  },
  {
    title: 'domain',
    words: [
      {
        word: 'PT',
        meaning:
          'passthrough: an identity domain. Addresses are physical ones; iommu=pt makes it the default',
      },
      {
        word: 'DMA',
        meaning: "translated for a driver of the host, with addresses that the kernel's DMA API gives out",
      },
      { word: 'strict', meaning: 'each unmap is invalidated before it returns' },
      {
        word: 'lazy',
        meaning: 'unmaps are invalidated together, up to 10 ms later; until then the IOTLB may serve them',
      },
      {
        word: 'VM',
        meaning: 'given to a guest by VFIO: translated by tables that hold the memory of the guest',
      },
      { word: 'BLK', meaning: 'blocked: no domain, each request is refused' },
    ],
  },
  {
    title: 'figures',
    words: [
      { word: 'DMA/s', meaning: 'requests a second of simulated time, as all rates here' },
      {
        word: 'hit',
        meaning: 'of the look-ups in the IOTLB, those that found the translation. Passthrough needs none',
      },
      {
        word: 'walk/s',
        meaning: 'walks through the tables in memory, of one to four reads each; nested up to 24',
      },
      { word: 'Gb/s', meaning: 'what was read and written, in 1,000,000,000 bits a second' },
      {
        word: 'p50, p99',
        meaning:
          'half of the requests, and 99 of 100, took no longer, from leaving the device until they were over',
      },
    ],
  },
  {
    title: 'words',
    words: [
      { word: '03:00.0', meaning: 'bus, device and function: what a request says it comes from' },
      { word: 'g14', meaning: 'IOMMU group: the smallest set of devices that Linux can give away' },
      { word: 'nobody', meaning: 'neither a driver of the host nor a guest uses it' },
      { word: 'iova', meaning: 'I/O virtual address: what a translated device asks for' },
      { word: 'addr', meaning: 'what any other device asks for: a physical address' },
      { word: 'did', meaning: 'domain id: marks what the IOTLB has of a domain' },
      {
        word: 'context entry',
        meaning: 'the entry of a device in the tables. TT says how it is treated: 10b is pass-through',
      },
      { word: 'PASID entry', meaning: 'the same in scalable mode. PGTT = 100b is pass-through' },
      { word: 'FAULT', meaning: 'a refused request: recorded by the unit, printed by the kernel as DMAR: …' },
      { word: 'msi', meaning: `an interrupt: a write to 0xfeex_xxxx ${leads} a vector of a processor` },
      { word: 'inv', meaning: 'an invalidation: caches forget what has changed in memory' },
    ],
  },
];
