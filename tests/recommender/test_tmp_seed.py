from recommender import services
from catalog.models import Song
from recommender.values import Listener, Target
from recommender.models import *
def test_seeds(alice, make_songs):
    for n in (10, 30):
        FeltRating.objects.all().delete(); Listen.objects.all().delete(); Playlist.objects.all().delete(); Song.objects.all().delete()
        make_songs(n)
        out=[]
        for seed in range(30):
            FeltRating.objects.all().delete(); Listen.objects.all().delete()
            p=services.playlist_create(listener=Listener(alice), target=Target.of_point(.6,.6), length=5, seed=seed)
            r=services.feedback_record(user=alice, song=p.items.get(position=1).song, felt_valence=-1, felt_arousal=-1, liked=False, playlist=p)
            out.append(r.rerank.changed)
        print("SEEDS", n, sum(out), [i for i,x in enumerate(out) if not x])
