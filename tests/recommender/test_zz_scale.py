import time
import numpy as np
from emotion.models import EmotionEstimate
from catalog.models import Song
from recommender import services, selectors
from recommender.values import Listener, Target
from emotion.quadrants import Quadrant
from tests.factories import *
def test_scale(alice):
    artists=ArtistFactory.create_batch(300)
    songs=Song.objects.bulk_create([SongFactory.build(artist=artists[n%300]) for n in range(5000)])
    rng=np.random.default_rng(0)
    es=[]
    for s in songs:
        v,a=rng.uniform(-1,1,2)
        es.append(EstimateFactory.build(song=s,valence=v,arousal=a,quadrant=Quadrant.from_valence_arousal(v,a)))
    EmotionEstimate.objects.bulk_create(es)
    for s in songs[:100]: RatingFactory(listener=alice,song=s)
    def t(name,f):
        b=time.perf_counter(); r=f(); print(name, round(1000*(time.perf_counter()-b)),'ms'); return r
    L=Listener(alice); H=Target.of_quadrant(Quadrant.Q1)
    t('create no index',lambda: services.playlist_create(listener=L,target=H))
    t('rebuild',services.index_rebuild)
    for _ in range(3): p=t('create',lambda: services.playlist_create(listener=L,target=H))
    t('create 100',lambda: services.playlist_create(listener=L,target=H,length=100))
    t('feedback',lambda: services.feedback_record(user=alice,song=songs[300],felt_valence=0,felt_arousal=0,playlist=p))
    t('refresh',services.index_refresh)
    t('similar',lambda: selectors.similar_songs(songs[3]))
    t('pad',selectors.pad_points)
